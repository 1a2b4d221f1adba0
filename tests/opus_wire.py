"""Opus as a client of the protocol speaks and hears it: one packet in each event."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.opus import OpusDecoder, OpusEncoder
from streamsrv.audio.rates import OPUS_FRAME_SAMPLES

OPUS = {"type": "audio/opus"}
BOTH_WAYS = {"input": {"format": OPUS}, "output": {"format": OPUS}}
"""The `audio` of a session that speaks and hears Opus."""


def packets(pcm: NDArray[np.int16]) -> list[bytes]:
    """Mono audio at 24 kHz, filled up with silence to whole packets of 20 ms."""
    encoder = OpusEncoder(lossy=False)
    frames = np.pad(pcm, (0, -len(pcm) % OPUS_FRAME_SAMPLES)).reshape(-1, OPUS_FRAME_SAMPLES)
    return [encoder.encode(frame) for frame in frames]


def audio(deltas: Iterable[tuple[bytes, dict[str, Any]]]) -> NDArray[np.int16]:
    """The audio of one item at 24 kHz, from the packet and the `streamsrv` field of each of its events."""
    decoder = OpusDecoder()
    heard = [np.zeros(0, np.int16)]
    for packet, cuts in deltas:
        pcm = decoder.decode(packet)[::2]
        heard.append(pcm[cuts.get("pre_skip", 0) : len(pcm) - cuts.get("end_trim", 0)])
    return np.concatenate(heard)
