"""Encodes synthesised speech as `response.output_audio.delta` events."""

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from streamsrv.audio.resample import StreamResampler
from streamsrv.audio.wire_formats import open_writer
from streamsrv.core.effects import SendAudio
from streamsrv.protocol.audio_formats import sample_rate


class SpeechEncoder:
    """Converts the audio of one item to its wire format. Take the events in the order of the calls that return them."""

    def __init__(self, first: SendAudio) -> None:
        self._event_fields = first.event_fields
        self._resampler = StreamResampler(first.sample_rate, sample_rate(first.format))
        self._writer = open_writer(first.format)

    def encode(self, audio: SendAudio) -> Iterator[dict[str, Any]]:
        """Return the events for a piece of audio, without `event_id`; their `delta` is bytes (base64 once encoded)."""
        return map(self._event, self._writer.write(self._resampler.process(audio.pcm)))

    def finish(self) -> Iterator[dict[str, Any]]:
        """Return the events for the audio that was held back."""
        rest = self._resampler.process(np.zeros(0, np.int16), last=True)
        return map(self._event, chain(self._writer.write(rest), self._writer.finish()))

    def _event(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"type": "response.output_audio.delta", **self._event_fields, **fields}


_encode = msgspec.json.Encoder().encode


def encode_event(event: dict[str, Any]) -> bytes:
    """Return a server event as the bytes of its text frame; what cannot be encoded in UTF-8 becomes a question mark."""
    try:
        return _encode(event)
    except UnicodeEncodeError:  # an engine gave half of a surrogate pair
        return json.dumps(msgspec.to_builtins(event), ensure_ascii=False).encode(errors="replace")
