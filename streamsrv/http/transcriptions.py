"""`POST /v1/audio/transcriptions` and `/translations`: the words of a recording, as they were said or in English.

Source: the OpenAI API reference. The names of OpenAI's models mean a recogniser of this server.
"""

import math
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import JSONResponse, PlainTextResponse, Response

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.core.transcription import logprob_to_wire
from streamsrv.engines.asr.base import RecognitionOptions, RecognizedUtterance
from streamsrv.engines.asr.recordings import recognize_recording
from streamsrv.engines.metering.accounts import SpendingAccount
from streamsrv.http.endpoint import Endpoint
from streamsrv.http.recording_form import Fields, TranscriptionFields, TranslationFields, Upload, reader_of
from streamsrv.http.streaming import server_sent, streamed
from streamsrv.service import Service
from streamsrv.text.languages import LANGUAGE_NAMES
from streamsrv.text.subtitles import SRT_TYPE, Cue, cues_of, srt, vtt
from streamsrv.text.words import join_words

Utterances = AsyncGenerator[RecognizedUtterance, None]


@dataclass(frozen=True, slots=True)
class Recording:
    """A request with its decoded file; `pcm` is mono at 16 kHz."""

    fields: Fields
    pcm: NDArray[np.int16]
    options: RecognitionOptions

    @property
    def seconds(self) -> float:
        return round(len(self.pcm) / SPEECH_RATE_HZ, 3)

    @property
    def usage(self) -> dict[str, object]:
        return {"type": "duration", "seconds": self.seconds}

    @property
    def mark(self) -> dict[str, str]:
        """The fields of JSON that mark a translation."""
        to = self.options.translated_to
        return {"task": "translate", "language": LANGUAGE_NAMES[to].lower()} if to else {}

    def logprobs(self, *utterances: RecognizedUtterance) -> dict[str, Any]:
        """The field with the log probabilities of these utterances, if the request asked for it."""
        if not self.options.logprobs:
            return {}
        return {"logprobs": [logprob_to_wire(token) for utterance in utterances for token in utterance.logprobs]}


async def _answer(upload: Upload, service: Service, account: SpendingAccount) -> Response:
    fields, engines = upload.fields, service.engines
    model, options = fields.check(service.capabilities)
    options = replace(options, account=account)
    recognizer = engines.recognizers.find(model, options.language)
    recording = Recording(fields, await upload.decode(), options)
    recognized = recognize_recording(
        recording.pcm, recognizer, engines.vad, engines.voice_activity, options, engines.observer, fields.cuts
    )
    if isinstance(fields, TranscriptionFields) and fields.stream:
        return await streamed(server_sent(_events(recognized, recording)), "text/event-stream")
    async with aclosing(recognized):
        utterances = [utterance async for utterance in recognized]
    response = _FORMATS[fields.response_format](recording, utterances)
    if options.translated_to:
        response.headers["Content-Language"] = options.translated_to
    return response


async def _events(recognized: Utterances, recording: Recording) -> AsyncGenerator[dict[str, Any], None]:
    """Yield each utterance as a delta; the deltas joined are the text."""
    text, spoken = "", list[RecognizedUtterance]()
    async with aclosing(recognized):
        async for utterance in recognized:
            longer = join_words([text, utterance.text])
            extras = recording.logprobs(utterance)
            yield {"type": "transcript.text.delta", "delta": longer[len(text) :], **extras}
            text = longer
            spoken.append(utterance)
    extras = recording.logprobs(*spoken)
    yield {"type": "transcript.text.done", "text": text, "usage": recording.usage, **extras}


def _text(utterances: Sequence[RecognizedUtterance]) -> str:
    return join_words([utterance.text for utterance in utterances])


def _json(recording: Recording, utterances: Sequence[RecognizedUtterance]) -> Response:
    extras = recording.logprobs(*utterances)
    return JSONResponse({"text": _text(utterances), **recording.mark, "usage": recording.usage, **extras})


def _plain(recording: Recording, utterances: Sequence[RecognizedUtterance]) -> Response:
    return PlainTextResponse(_text(utterances) + "\n")


def _srt(recording: Recording, utterances: Sequence[RecognizedUtterance]) -> Response:
    return PlainTextResponse(srt(cues_of(utterances)), media_type=SRT_TYPE)


def _vtt(recording: Recording, utterances: Sequence[RecognizedUtterance]) -> Response:
    return PlainTextResponse(vtt(cues_of(utterances)), media_type="text/vtt")


def _verbose(recording: Recording, utterances: Sequence[RecognizedUtterance]) -> Response:
    languages = [utterance.language for utterance in utterances if utterance.language]
    wire: dict[str, Any] = {
        "task": "transcribe",
        "language": next(iter(languages), recording.options.language or ""),
        "duration": recording.seconds,
        "text": _text(utterances),
        "usage": recording.usage,
        **recording.mark,
    }
    fields = recording.fields
    granularities = (fields.timestamp_granularities if isinstance(fields, TranscriptionFields) else None) or ["segment"]
    if "word" in granularities:
        words = (word for utterance in utterances for word in utterance.words)
        wire["words"] = [
            {"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000} for word in words
        ]
    if "segment" in granularities:
        segments = [_segment(cue, utterance) for utterance in utterances for cue in cues_of([utterance])]
        wire["segments"] = [{"id": number, **segment} for number, segment in enumerate(segments)]
    return JSONResponse(wire)


def _segment(cue: Cue, utterance: RecognizedUtterance) -> dict[str, Any]:
    """Return a segment with all fields that strict clients require; those that no recogniser fills are empty or 0.

    `avg_logprob` is the mean logarithm of the confidence of its words.
    """
    text = cue.text.encode()
    said = (word for word in utterance.words if cue.start_ms <= word.start_ms and word.end_ms <= cue.end_ms)
    logprobs = [math.log(max(word.confidence, 1e-9)) for word in said if word.confidence is not None]
    return {
        "seek": 0,
        "start": cue.start_ms / 1000,
        "end": cue.end_ms / 1000,
        "text": cue.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": sum(logprobs) / len(logprobs) if logprobs else 0.0,
        "compression_ratio": round(len(text) / len(zlib.compress(text)), 3),
        "no_speech_prob": 0.0,
    }


_FORMATS: dict[str, Callable[[Recording, Sequence[RecognizedUtterance]], Response]] = {
    "json": _json,
    "text": _plain,
    "srt": _srt,
    "vtt": _vtt,
    "verbose_json": _verbose,
}

transcriptions = Endpoint(reader_of(TranscriptionFields), _answer)
translations = Endpoint(reader_of(TranslationFields), _answer)
