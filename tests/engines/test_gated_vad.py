"""The gate in front of a detector: what it stops, and that the detector behind it hears no less for it."""

import asyncio
from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.core.turns.detector import SpeechStarted, SpeechStopped, TurnDetector, TurnOptions
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.vad.base import FRAME_MS, VAD_FRAME_SAMPLES
from streamsrv.engines.vad.gated import HOLD_FRAMES, GatedVad, hear
from streamsrv.engines.vad.silero import SileroVad
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler
from tests.recordings import recording

pytest.importorskip("webrtcvad", reason="needs streamsrv[local]")

Frames = NDArray[np.int16]

SETTLE_FRAMES = 10
"""The gate takes the first moments of any noise for speech."""


class FakeVad:
    """Hears speech in all that reaches it; `calls` keeps how many streams each call was for."""

    name = "fake"

    def __init__(self) -> None:
        self.calls: list[int] = []

    def open(self) -> "FakeVadStream":
        return FakeVadStream()

    def hear(self, pieces: "Sequence[tuple[FakeVadStream, Frames]]") -> list[list[float]]:
        self.calls.append(len(pieces))
        return [stream.probabilities(frames) for stream, frames in pieces]


class FakeVadStream:
    """`heard` counts its frames; each probability tells how many it had heard."""

    def __init__(self) -> None:
        self.heard = 0

    def probabilities(self, frames: Frames) -> list[float]:
        first, self.heard = self.heard, self.heard + len(frames)
        return [1 - 0.5 ** (number + 1) for number in range(first, self.heard)]


def quiet(count: int) -> Frames:
    """Frames of noise at -80 dBFS."""
    return (np.random.default_rng(3).standard_normal((count, VAD_FRAME_SAMPLES)) * 3).astype(np.int16)


@pytest.fixture(scope="module")
def speech() -> Frames:
    """The first ten seconds of somebody reading."""
    pcm = read_audio(recording("two_cities.wav"), SPEECH_RATE_HZ)[: 10 * SPEECH_RATE_HZ]
    return pcm[: pcm.size // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES].reshape(-1, VAD_FRAME_SAMPLES)


@pytest.fixture(scope="module")
def silero() -> SileroVad:
    entry = load_catalogue()["silero"]
    if lacking := needs(entry, ModelStore()):
        pytest.skip(f"silero is not ready: {'; '.join(map(str, lacking))}")
    return SileroVad("silero", ModelStore().locate(entry)["silero_vad.onnx"])


@pytest.fixture
def scheduler():
    made = Scheduler(1)
    yield made
    made.close()


def test_silence_does_not_reach_the_detector():
    probabilities = GatedVad(FakeVad()).open().probabilities(quiet(200))
    assert all(probabilities[: HOLD_FRAMES - 1])  # a session may begin with a soft word
    assert not any(probabilities[HOLD_FRAMES + SETTLE_FRAMES :])


def test_speech_opens_the_gate_for_a_second(speech: Frames):
    silence = quiet(100)
    probabilities = GatedVad(FakeVad()).open().probabilities(np.concatenate([silence, speech, silence]))
    opened = np.flatnonzero(probabilities[100:])[0]
    assert opened <= 10  # the reader draws breath first
    assert all(probabilities[100 + opened : 100 + len(speech) + HOLD_FRAMES - SETTLE_FRAMES])
    assert not any(probabilities[100 + len(speech) + HOLD_FRAMES + SETTLE_FRAMES :])


@pytest.mark.parametrize("cut", [1, 3, 50])
def test_the_cuts_do_not_matter(speech: Frames, cut: int):
    audio = np.concatenate([quiet(60), speech, quiet(60)])
    stream = GatedVad(FakeVad()).open()
    in_pieces = [
        probability
        for start in range(0, len(audio), cut)
        for probability in stream.probabilities(audio[start : start + cut])
    ]
    assert in_pieces == GatedVad(FakeVad()).open().probabilities(audio)


async def test_the_event_loop_hears_the_same(speech: Frames, scheduler: Scheduler):
    audio = np.concatenate([quiet(60), speech[:100], quiet(60)])
    stream = GatedVad(FakeVad()).open()
    heard = [await hear(stream, audio[start : start + 7], scheduler) for start in range(0, len(audio), 7)]
    assert [*chain(*heard)] == GatedVad(FakeVad()).open().probabilities(audio)


async def test_silence_is_answered_without_the_scheduler():
    stream = GatedVad(FakeVad()).open()
    stream.probabilities(quiet(HOLD_FRAMES + SETTLE_FRAMES))
    closed = Scheduler(0)
    closed.close()
    assert await hear(stream, quiet(5), closed) == [0.0] * 5


async def test_sessions_share_a_call(speech: Frames, scheduler: Scheduler):
    fake = FakeVad()
    vad = GatedVad(fake)
    await asyncio.gather(*(hear(vad.open(), speech[:2], scheduler) for _ in range(5)))
    assert fake.calls == [5]


async def test_a_detector_without_a_gate_is_heard_frame_by_frame(scheduler: Scheduler):
    assert await hear(FakeVadStream(), quiet(2), scheduler) == [0.5, 0.75]


def test_silero_hears_several_streams_as_it_hears_each(silero: SileroVad, speech: Frames):
    lengths = [40, 7, 0, 25]
    streams = [silero.open() for _ in lengths]
    starts = [30 * number for number in range(len(lengths))]
    pieces = [speech[start : start + length] for start, length in zip(starts, lengths, strict=True)]
    first = silero.hear([(stream, piece[:5]) for stream, piece in zip(streams, pieces, strict=True)])
    rest = silero.hear([(stream, piece[5:]) for stream, piece in zip(streams, pieces, strict=True)])
    for early, late, piece in zip(first, rest, pieces, strict=True):
        assert [*early, *late] == pytest.approx(silero.open().probabilities(piece), abs=1e-5)


def changes(probabilities: Sequence[float]) -> list[SpeechStarted | SpeechStopped]:
    turns = TurnDetector(TurnOptions())
    heard = [turns.hear(each, FRAME_MS * number) for number, each in enumerate(probabilities, start=1)]
    return [change for change in heard if change is not None]


@pytest.mark.parametrize("name", ["two_cities.wav", "beckett.wav"])
@pytest.mark.parametrize("pause_s", [2.0, 5.0])
def test_turns_behind_the_gate_begin_and_end_as_without_it(silero: SileroVad, name: str, pause_s: float):
    pcm = read_audio(recording(name), SPEECH_RATE_HZ)[: 10 * SPEECH_RATE_HZ]
    speech = pcm[: pcm.size // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES].reshape(-1, VAD_FRAME_SAMPLES)
    pause = quiet(int(pause_s * 1000 / FRAME_MS))
    audio = np.concatenate([pause, speech[:150], pause, speech[150:], pause])
    plain, gated = silero.open().probabilities(audio), GatedVad(silero).open().probabilities(audio)
    stopped = [number for number, probability in enumerate(gated) if probability == 0.0]
    assert len(stopped) >= 3 * (len(pause) - HOLD_FRAMES - SETTLE_FRAMES)
    assert max(plain[number] for number in stopped) < 0.5
    expected, found = changes(plain), changes(gated)
    assert [type(change) for change in found] == [type(change) for change in expected]
    assert all(abs(one.at_ms - other.at_ms) <= FRAME_MS for one, other in zip(expected, found, strict=True))
    assert all(type(one) is not type(other) for one, other in pairwise(found))
