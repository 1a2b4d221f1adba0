"""From appended audio to frames."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opus_wire import packets
from streamsrv.audio import g711
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import AudioFormat, Opus, Pcm, Pcma, Pcmu
from streamsrv.runtime.intake import Intake

AUDIO = (8000 * np.sin(np.arange(24_000) * 0.05)).astype("<i2")

HELD_BACK_MS = 3
"""What the resampler keeps to itself, and rounding."""


def frames(pieces: list[bytes], audio_format: AudioFormat) -> np.ndarray:
    intake = Intake()
    return np.concatenate([*(taken(intake, piece, audio_format) for piece in pieces), intake.flush()])


def taken(intake: Intake, audio: bytes, audio_format: AudioFormat) -> np.ndarray:
    """The frames that are complete with `audio`."""
    intake.append(audio, audio_format)
    return intake.take() if intake.complete else np.zeros((0, 512), np.int16)


@given(st.lists(st.integers(1, 24_000), max_size=8))
def test_frames_do_not_depend_on_how_audio_was_cut(cuts: list[int]):
    whole = AUDIO.tobytes()
    edges = [0, *sorted(2 * (cut % 24_000) for cut in cuts), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(edges)]
    assert np.array_equal(frames(pieces, Pcm()), frames([whole], Pcm()))


@pytest.mark.parametrize(
    ("audio", "audio_format"),
    [
        (AUDIO.tobytes(), Pcm()),
        (g711.encode_mulaw(AUDIO[::3]).tobytes(), Pcmu()),
        (g711.encode_alaw(AUDIO[::3]).tobytes(), Pcma()),
    ],
)
def test_a_second_of_every_format_is_a_second_of_frames(audio: bytes, audio_format: AudioFormat):
    heard = frames([audio], audio_format)
    assert heard.shape[1] == 512
    assert 31 <= len(heard) <= 32
    assert np.abs(heard).max() > 7000


def test_what_does_not_fill_a_frame_waits_and_is_filled_with_silence_at_a_commit():
    intake = Intake()
    intake.append(bytes(480), Pcm())
    assert intake.complete == 0
    assert len(intake.flush()) == 1
    assert len(intake.flush()) == 0
    assert intake.received_ms == 32


def test_changing_the_format_in_the_middle_keeps_the_clock():
    intake = Intake()
    intake.append(bytes(48_000), Pcm())
    intake.append(bytes(8_000), Pcmu())
    assert intake.received_ms >= 1950


@given(st.lists(st.integers(1, 2000), max_size=40))
def test_frames_come_out_as_soon_as_they_are_complete(pieces: list[int]):
    intake, heard_ms = Intake(), 0
    for samples in pieces:
        heard_ms += 32 * len(taken(intake, bytes(2 * samples), Pcm()))
        assert intake.received_ms - heard_ms <= 32 + HELD_BACK_MS


def test_small_pieces_count_at_once():
    intake = Intake()
    lengths_ms = []
    for _ in range(4):
        intake.append(bytes(480), Pcm())
        lengths_ms.append(intake.received_ms)
    assert lengths_ms == [10, 20, 30, 40]


def test_audio_that_waits_when_the_format_changes_is_processed():
    intake = Intake()
    frames = [
        taken(intake, bytes(1400), Pcm()),  # 29 ms
        taken(intake, g711.encode_mulaw(AUDIO[::3]).tobytes(), Pcmu()),
        intake.flush(),
    ]
    samples = np.concatenate(frames).reshape(-1)
    assert samples.size == 33 * 512
    assert np.flatnonzero(np.abs(samples) > 1000)[0] == pytest.approx(29 * 16, abs=16)


def test_a_second_of_opus_is_a_second_of_frames():
    heard = frames(packets(AUDIO), Opus())
    assert 31 <= len(heard) <= 32
    assert np.abs(heard).max() > 7000


def test_opus_that_is_no_packet_changes_nothing():
    good = packets(AUDIO)
    intake = Intake()
    heard = [taken(intake, packet, Opus()) for packet in good[:25]]
    with pytest.raises(ProtocolError) as refused:
        intake.append(b"\x03", Opus())
    heard += [taken(intake, packet, Opus()) for packet in good[25:]]
    assert refused.value.param == "audio"
    assert intake.received_ms == 1000
    np.testing.assert_array_equal(np.concatenate([*heard, intake.flush()]), frames(good, Opus()))


def test_from_pcm_to_opus_and_back_the_clock_goes_on():
    intake = Intake()
    intake.append(AUDIO.tobytes(), Pcm())
    for packet in packets(AUDIO):
        intake.append(packet, Opus())
    intake.append(AUDIO.tobytes(), Pcm())
    assert intake.received_ms == 3000


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=20))
def test_frames_do_not_depend_on_when_they_were_taken(cuts: list[int]):
    at_once, later = Intake(), Intake()
    heard = []
    for samples in cuts:
        piece = AUDIO[:samples].tobytes()
        heard.append(taken(at_once, piece, Pcm()))
        later.append(piece, Pcm())
    assert np.array_equal(np.concatenate([*heard, at_once.flush()]), np.concatenate([later.take(), later.flush()]))


def test_microphone_audio_waits_until_it_is_taken():
    intake = Intake()
    for _ in range(4):
        intake.append_pcm(np.ones(320, np.int16))
    assert intake.complete == 2
    assert intake.take().shape == (2, 512)
    assert intake.complete == 0
