"""G.711 companding."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.audio.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    try:
        import audioop
    except ImportError:  # Python 3.13 and later
        audioop = None

ALL_SAMPLES = np.arange(-32768, 32768).astype(np.int16)
ALL_BYTES = np.arange(256, dtype=np.uint8)
SAMPLES = np.array([0, 1, -1, 1000, -1000, 32767, -32768], np.int16)
Encode = Callable[[NDArray[np.int16]], NDArray[np.uint8]]
Decode = Callable[[NDArray[np.uint8]], NDArray[np.int16]]


@pytest.mark.skipif(audioop is None, reason="audioop left the standard library with Python 3.13")
def test_it_equals_audioop() -> None:
    pcm, data = ALL_SAMPLES.tobytes(), ALL_BYTES.tobytes()
    assert encode_mulaw(ALL_SAMPLES).tobytes() == audioop.lin2ulaw(pcm, 2)
    assert encode_alaw(ALL_SAMPLES).tobytes() == audioop.lin2alaw(pcm, 2)
    assert decode_mulaw(ALL_BYTES).tobytes() == audioop.ulaw2lin(data, 2)
    assert decode_alaw(ALL_BYTES).tobytes() == audioop.alaw2lin(data, 2)


@pytest.mark.parametrize(
    ("encode", "encoded"),
    [
        (encode_mulaw, [0xFF, 0xFF, 0x7E, 0xCE, 0x4E, 0x80, 0x00]),
        (encode_alaw, [0xD5, 0xD5, 0x55, 0xFA, 0x7A, 0xAA, 0x2A]),
    ],
)
def test_known_codes(encode: Encode, encoded: list[int]) -> None:
    assert encode(SAMPLES).tolist() == encoded


def test_known_samples() -> None:
    assert decode_mulaw(np.array([0xFF, 0x7F, 0x80, 0x00], np.uint8)).tolist() == [0, 0, 32124, -32124]
    assert decode_alaw(np.array([0xD5, 0x55, 0xAA, 0x2A], np.uint8)).tolist() == [8, -8, 32256, -32256]


@pytest.mark.parametrize(("encode", "decode"), [(encode_mulaw, decode_mulaw), (encode_alaw, decode_alaw)])
def test_a_decoded_sample_encodes_to_itself(encode: Encode, decode: Decode) -> None:
    samples = decode(ALL_BYTES)
    np.testing.assert_array_equal(decode(encode(samples)), samples)


@pytest.mark.parametrize(("encode", "decode"), [(encode_mulaw, decode_mulaw), (encode_alaw, decode_alaw)])
def test_the_error_is_relative_to_the_sample(encode: Encode, decode: Decode) -> None:
    samples = ALL_SAMPLES.astype(np.int32)
    error = np.abs(decode(encode(ALL_SAMPLES)) - samples)
    assert np.all(error <= np.maximum(16, np.abs(samples) / 30 + 8))


def test_views_of_any_stride_are_taken() -> None:
    assert encode_mulaw(ALL_SAMPLES[::2]).tobytes() == encode_mulaw(ALL_SAMPLES[::2].copy()).tobytes()
    assert encode_mulaw(ALL_SAMPLES[:0]).size == 0
