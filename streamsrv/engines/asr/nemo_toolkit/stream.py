"""One utterance that the process with NeMo's toolkit recognises."""

from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions, Transcript
from streamsrv.engines.asr.decoding_stream import MAX_BACKLOG_MS
from streamsrv.engines.asr.latest import LatestTranscript
from streamsrv.engines.asr.nemo_toolkit.messages import Heard, Loaded
from streamsrv.engines.asr.nemo_toolkit.process import NemoProcess
from streamsrv.engines.asr.speech_feed import SpeechFeed, StepGrid
from streamsrv.engines.asr.tokens import Token, TokenTranscripts
from streamsrv.errors import EngineError, Overloaded, Unavailable

MAX_SENT_SAMPLES = 4 * SPEECH_RATE_HZ
"""Audio of one stream that may wait in the process, unless a step of the model is longer; the rest waits here."""
MAX_SEGMENT_SAMPLES = 60 * SPEECH_RATE_HZ
"""Audio after which the next pause ends a segment: NeMo's state of a segment holds all its tokens."""
_PER_MS = SPEECH_RATE_HZ // 1000


class NemoStream:
    """A `RecognitionStream`: audio goes to the process as it comes, and the newest unread transcript is kept."""

    def __init__(self, process: NemoProcess, options: RecognitionOptions, language: str | None) -> None:
        self._process = process
        self._options = options
        self._language = language
        self._early: list[tuple[NDArray[np.int16], bool]] = []  # until the length of a step is known
        self._early_samples = 0
        self._model: Loaded | None = None
        self._feed = SpeechFeed(StepGrid(1, 1))
        self._tokens = TokenTranscripts(self._feed.position_ms, 1, grows=True)
        self._segment: list[Token] = []
        self._segment_begin = 0
        self._sent = self._heard = 0
        self._finishing = False
        self._transcripts = LatestTranscript()
        self._number = 0
        try:
            self._number = process.open(self)
        except Unavailable as error:
            self._transcripts.end(error)
        if process.model is not None:
            self.ready(process.model)

    def ready(self, loaded: Loaded) -> None:
        """The model is loaded: send the audio that came before."""
        self._model = loaded
        asked = self._options.language
        if asked and loaded.languages and asked not in loaded.languages:
            known = ", ".join(loaded.languages)
            self.fail(Unavailable(f"The model was not trained for the language {asked!r}; accepted: {known}."))
            return
        self._feed = SpeechFeed(StepGrid(loaded.chunk_samples, loaded.chunk_samples))
        self._tokens = TokenTranscripts(self._feed.position_ms, loaded.token_ms, grows=True)
        early, self._early = self._early, []
        for pcm, speech in early:
            self._feed.push(pcm, speech=speech)
        if self._finishing:
            self._feed.finish()
        self._send()

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        """Take mono PCM at 16 kHz; ignored once the stream has ended."""
        if self._finishing or self._transcripts.ended:
            return
        if self._model is None:
            self._early.append((pcm, speech))
            self._early_samples += len(pcm)
        else:
            self._feed.push(pcm, speech=speech)
            self._send()
        if max(self._early_samples, self._feed.waiting) > MAX_BACKLOG_MS * _PER_MS:
            self.fail(Overloaded(f"NeMo is {MAX_BACKLOG_MS // 1000} s of speech behind."))

    def finish(self) -> None:
        """End the audio: the final transcript comes when the last step is decoded, or at once after a pause."""
        if self._finishing:
            return
        self._finishing = True
        if self._model is not None:
            self._feed.finish()
            self._send()

    async def aclose(self) -> None:
        """Drop the stream and what waits in the process."""
        self._transcripts.drop()
        self._process.close(self._number)

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return self

    async def __anext__(self) -> Transcript:
        return await anext(self._transcripts)

    def heard(self, message: Heard) -> None:
        """Take the tokens of a step."""
        self._heard += message.samples
        start_ms = self._segment_begin / _PER_MS
        self._segment += [Token(text, start_ms + ms) for text, ms in message.tokens]
        if transcript := self._tokens.accept(tuple(self._segment), at_pause=self._is_settled):
            self._transcripts.put(replace(transcript, language=self._language))
        if self._is_settled and self._sent - self._segment_begin >= MAX_SEGMENT_SAMPLES and not self._finishing:
            self._begin_segment()
        self._send()

    def fail(self, error: EngineError) -> None:
        """End the stream with an error."""
        self._transcripts.end(error)
        self._process.close(self._number)

    @property
    def _is_settled(self) -> bool:
        """Whether all speech so far is decoded."""
        return self._feed.is_complete and not self._feed.waiting and self._heard == self._sent

    def _send(self) -> None:
        """Send whole chunks of audio, unless too much waits in the process; give the final transcript at the end."""
        if self._model is None or self._transcripts.ended:
            return
        chunk = self._model.chunk_samples
        most = max(MAX_SENT_SAMPLES - (self._sent - self._heard), chunk if self._sent == self._heard else 0)
        count = min(self._feed.waiting, most) // chunk * chunk
        if count:
            pcm = self._feed.take(count)
            self._process.send(self._number, pcm.tobytes(), self._options.language or "")
            self._sent += count
        if self._finishing and self._is_settled:
            final = self._tokens.final(logprobs=False)
            self._transcripts.put(replace(final, language=self._language))
            self._transcripts.end()
            self._process.close(self._number)

    def _begin_segment(self) -> None:
        """Go on with a new state of the model, under a new number."""
        self._process.close(self._number)
        self._tokens.close_segment()
        self._segment = []
        self._segment_begin = self._feed.begin_segment()
        try:
            self._number = self._process.open(self)
        except EngineError as error:
            self.fail(error)
