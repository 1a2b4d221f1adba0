"""Noise reduction: what it does to audio, how a session asks for it, and that it is off by default."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from driven import driven
from harness import Talk, error, event, of_type
from streamsrv.audio import noise_suppression
from streamsrv.audio.noise_suppression import MAX_LEVEL, NoiseSuppressor
from streamsrv.audio.pcm import level_dbfs
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.effects import SuppressNoise
from streamsrv.core.session import SessionCore
from streamsrv.engines.vad.base import VAD_FRAME_SAMPLES
from streamsrv.protocol.session_object import Audio, AudioInput, NoiseReduction, Opus, Pcm, Pcmu, Session
from streamsrv.runtime.hearing import _pieces
from streamsrv.runtime.intake import Intake
from streamsrv.testing.fakes import LoudnessVad, fake_engines

needs_suppressor = pytest.mark.skipif(not noise_suppression.is_installed(), reason="webrtc-noise-gain is missing")
NOISE = (np.random.default_rng(1).standard_normal(16_000 * 4) * 500).astype(np.int16)


def reduction(**fields: Any) -> dict[str, Any]:
    return {"audio": {"input": {"noise_reduction": fields or None}}}


@needs_suppressor
@pytest.mark.parametrize("level", range(1, MAX_LEVEL + 1))
def test_steady_noise_is_softer_and_a_higher_level_is_not_louder(level: int):
    settled = slice(2 * 16_000, None)  # it first learns the noise
    kept = NoiseSuppressor(level).process(NOISE, last=True)[settled]
    assert level_dbfs(kept) < level_dbfs(NOISE[settled]) - 4
    if level > 1:
        assert level_dbfs(kept) <= level_dbfs(NoiseSuppressor(level - 1).process(NOISE, last=True)[settled])


@needs_suppressor
def test_the_result_does_not_depend_on_how_the_audio_was_cut():
    edges = [0, 1, 159, 160, 161, 1000, 5120, len(NOISE)]
    whole, cut = NoiseSuppressor(2), NoiseSuppressor(2)
    pieces = [cut.process(NOISE[start:end]) for start, end in pairwise(edges)]
    assert cut.waiting < 160
    assert np.array_equal(whole.process(NOISE, last=True), np.concatenate([*pieces, cut.process(NOISE[:0], last=True)]))


@needs_suppressor
def test_a_stream_is_as_long_as_before():
    suppressor = NoiseSuppressor(1)
    assert len(suppressor.process(NOISE[:1234], last=True)) == 1234
    assert suppressor.waiting == 0
    assert len(suppressor.process(NOISE[:0])) == 0


@needs_suppressor
@pytest.mark.parametrize("audio_format", [Pcm(), Pcmu()])
def test_frames_are_those_of_the_whole_audio_and_none_is_lost(audio_format: Pcm | Pcmu):
    audio = np.repeat(NOISE, 2).tobytes()[: 48_000 * 3]
    intake, plain = Intake(), Intake()
    intake.suppress_noise(2)
    frames, wanted = [], 0
    for piece in (audio[start : start + 1000] for start in range(0, len(audio), 1000)):
        for each in (intake, plain):
            each.append(piece, audio_format)
        assert intake.received_ms == plain.received_ms
        frames.append(intake.take())
        wanted += len(plain.take())
        assert wanted - sum(map(len, frames)) in (0, 1), "what is held back is less than a frame"
    frames.append(intake.flush())
    wanted += len(plain.flush())
    assert sum(map(len, frames)) == wanted


@needs_suppressor
def test_it_is_switched_on_and_off_in_the_middle_without_losing_audio():
    intake = Intake()
    taken = 0
    for level in (0, 4, 1, 0):
        intake.suppress_noise(level)
        intake.append_pcm(NOISE[:1000])
        taken += len(intake.take())
    taken += len(intake.flush())
    assert taken == -(-4000 // VAD_FRAME_SAMPLES)


def test_nothing_is_suppressed_unless_a_session_asks_for_it():
    talk = Talk()
    assert of_type(talk.all, SuppressNoise) == []
    assert event(talk.all, "session.created")["session"]["audio"]["input"]["noise_reduction"] is None
    assert of_type(talk.update(instructions="x"), SuppressNoise) == []


@pytest.mark.parametrize(
    ("asked", "level"),
    [
        ({"type": "near_field"}, 2),
        ({"type": "far_field"}, 1),
        ({"type": "far_field", "strength": 0.1}, 1),
        ({"type": "near_field", "strength": 0.5}, 1),
        ({"type": "near_field", "strength": 0.6}, 2),
    ],
)
def test_a_session_asks_for_a_level(asked: dict[str, Any], level: int):
    effects = Talk().update(**reduction(**asked))
    assert of_type(effects, SuppressNoise) == [SuppressNoise(level)]
    assert event(effects, "session.updated")["session"]["audio"]["input"]["noise_reduction"] == asked


def test_a_session_may_begin_with_it():
    talk = Talk(audio=Audio(input=AudioInput(noise_reduction=NoiseReduction("far_field"))))
    assert of_type(talk.all, SuppressNoise) == [SuppressNoise(1)]


def test_null_ends_it_and_the_strength_stays_until_then():
    talk = Talk()
    talk.update(**reduction(type="far_field", strength=0))
    assert of_type(talk.update(**reduction(type="near_field")), SuppressNoise) == []
    assert of_type(talk.update(**reduction(strength=1)), SuppressNoise) == [SuppressNoise(2)]
    assert of_type(talk.update(**reduction()), SuppressNoise) == [SuppressNoise(0)]


@pytest.mark.parametrize(
    ("asked", "param", "said"),
    [
        ({"type": "auto"}, ".type", "'far_field', 'near_field'"),
        ({"type": "near_field", "strength": 2}, ".strength", "1"),
        ({"type": "near_field", "strength": "high"}, ".strength", "float"),
        ({"type": "near_field", "level": 1}, ".level", "Unknown"),
        ({"strength": 1}, ".type", "Missing"),
    ],
)
def test_a_wrong_request_is_refused(asked: dict[str, Any], param: str, said: str):
    refused = error(Talk().update(**reduction(**asked)))
    assert refused["param"] == f"session.audio.input.noise_reduction{param}"
    assert said in refused["message"]


def test_without_the_package_it_is_refused_with_the_command_that_mends_it():
    talk = Talk()
    lacking = Capabilities(suppresses_noise=False)
    talk.core = SessionCore(Session(id="sess_1"), new_id=lambda prefix: prefix, capabilities=lacking)
    refused = error(talk.update(**reduction(type="near_field")))
    assert (refused["code"], refused["param"]) == ("invalid_value", "session.audio.input.noise_reduction")
    assert "pip install 'streamsrv[speech]'" in refused["message"]
    event(talk.update(**reduction()), "session.updated")


class ListeningVad(LoudnessVad):
    """A fake that keeps the frames it was given."""

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []

    def probabilities(self, frames: np.ndarray) -> list[float]:
        self.frames += list(frames)
        return super().probabilities(frames)


@needs_suppressor
async def test_voice_activity_is_looked_for_in_the_audio_without_the_noise():
    vad = ListeningVad()
    noise = np.repeat(NOISE, 2)[: 24_000 * 4].tobytes()
    async with driven(replace(fake_engines(), vad=vad)) as session:
        session.client.append(noise)
        session.client.configure(**reduction(type="near_field"))
        await session.client.until("session.updated")
        before = len(vad.frames)
        session.client.append(noise)
        session.client.say("input_audio_buffer.clear")
        await session.client.until("input_audio_buffer.cleared")
    after = np.concatenate(vad.frames[before + 60 :])
    assert level_dbfs(after) < level_dbfs(np.concatenate(vad.frames[:before])) - 6


@pytest.mark.parametrize(("audio_format", "per_second"), [(Pcm(), 48_000), (Pcmu(), 8_000)])
def test_a_long_append_is_processed_half_a_second_at_a_time(audio_format: Pcm | Pcmu, per_second: int):
    pieces = list(_pieces(bytes(per_second * 3), audio_format))
    assert [len(piece) for piece in pieces] == [per_second // 2] * 6
    assert list(_pieces(bytes(100_000), Opus())) == [bytes(100_000)]
