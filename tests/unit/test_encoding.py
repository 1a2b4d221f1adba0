import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamsrv.audio.encoding import MEDIA_TYPES, AudioEncoding, open_encoder
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import PCM_RATE_HZ

ENCODED: list[AudioEncoding] = ["mp3", "opus", "aac", "flac", "wav"]
TONE = (8000 * np.sin(np.arange(2 * PCM_RATE_HZ) * 2 * np.pi * 440 / PCM_RATE_HZ)).astype(np.int16)


def encode(encoding: AudioEncoding, pcm: np.ndarray, cuts: list[int] | None = None) -> bytes:
    encoder = open_encoder(encoding)
    pieces = np.split(pcm, sorted(cuts or []))
    return b"".join([encoder.encode(piece) for piece in pieces if len(piece)] + [encoder.finish()])


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_tone_survives(encoding: AudioEncoding):
    decoded = read_audio(io.BytesIO(encode(encoding, TONE)), PCM_RATE_HZ)
    assert len(decoded) == pytest.approx(len(TONE), abs=PCM_RATE_HZ // 8)
    middle = decoded[PCM_RATE_HZ // 2 : PCM_RATE_HZ * 3 // 2].astype(float)
    spectrum = np.abs(np.fft.rfft(middle)) ** 2
    assert np.argmax(spectrum) == 440
    assert spectrum[430:450].sum() > 0.99 * spectrum.sum()
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(8000 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("encoding", [*ENCODED, "pcm"])
def test_audio_comes_out_before_the_end(encoding: AudioEncoding):
    """Half a second in at most; players start to play with what they have."""
    encoder = open_encoder(encoding)
    first = b"".join(encoder.encode(TONE[start : start + 4800]) for start in range(0, PCM_RATE_HZ // 2, 4800))
    assert len(read_audio(io.BytesIO(first), PCM_RATE_HZ) if encoding != "pcm" else first) > PCM_RATE_HZ // 20


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([*ENCODED, "pcm"]), st.lists(st.integers(0, len(TONE)), max_size=6))
def test_the_file_does_not_depend_on_how_the_audio_was_cut(encoding: AudioEncoding, cuts: list[int]):
    def decoded(file: bytes) -> np.ndarray:
        return np.frombuffer(file, "<i2") if encoding == "pcm" else read_audio(io.BytesIO(file), PCM_RATE_HZ)

    whole, pieces = decoded(encode(encoding, TONE)), decoded(encode(encoding, TONE, cuts))
    assert len(whole) == len(pieces)
    assert np.abs(whole.astype(int) - pieces).max() <= 1


@pytest.mark.parametrize("encoding", MEDIA_TYPES)
def test_a_file_without_audio_can_be_finished(encoding: AudioEncoding):
    open_encoder(encoding).finish()


def test_wav_says_that_its_length_is_unknown():
    file = encode("wav", TONE)
    assert file[:4] + file[8:16] == b"RIFFWAVEfmt "
    assert struct.unpack("<HHIIHH", file[20:36]) == (1, 1, PCM_RATE_HZ, 2 * PCM_RATE_HZ, 2, 16)
    assert file[36:44] == b"data\xff\xff\xff\xff"
    assert np.array_equal(np.frombuffer(file[44:], "<i2"), TONE)


def test_pcm_is_little_endian():
    assert encode("pcm", np.array([1, -2], np.int16)) == b"\x01\x00\xfe\xff"


def test_flac_loses_nothing():
    assert np.array_equal(read_audio(io.BytesIO(encode("flac", TONE)), PCM_RATE_HZ), TONE)
