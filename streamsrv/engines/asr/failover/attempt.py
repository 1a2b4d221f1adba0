"""One recogniser's attempt at one utterance: it is given the audio that is kept, and watched."""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import replace

from streamsrv.engines.asr.base import RecognitionStream, Recognizer, Transcript
from streamsrv.engines.asr.failover.deadlines import Deadlines
from streamsrv.engines.asr.failover.kept_audio import MAX_KEPT_S, KeptAudio, KeptFrame
from streamsrv.engines.boundary import engine_call
from streamsrv.errors import EngineError, Unavailable
from streamsrv.signals import Signal
from streamsrv.text.words import bare, join_words, split_words

logger = logging.getLogger(__name__)

FRAMES_AT_ONCE = 64
"""Frames of kept audio given to a recogniser before other tasks run."""
CLOSE_S = 5.0
"""Seconds that a stream may take to close."""


class Stalled(Unavailable):
    """A recogniser gave no transcript for too long; it is no failure if there was nothing to recognise."""


class NotKept(Unavailable):
    """The audio of an utterance is not kept any more, because it is too long for another recogniser to take over."""


class Attempt:
    """Gives `audio` to `stream`, passes its transcripts to `show`, and ends with its final transcript or its failure.

    `push` and `finish` never raise: a failure ends `run`, also one of `__anext__`, a stall, a missed deadline, and
    a transcript that breaks the contract. `may_stall`: a stall is
    no failure, because no other recogniser is left.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        stream: RecognitionStream,
        audio: KeptAudio,
        show: Callable[["Attempt", Transcript], None],
        *,
        may_stall: bool,
    ) -> None:
        self.name = recognizer.name
        self.heard_s = 0.0
        """Seconds of audio that the recogniser was given."""
        self._called = f"speech recogniser {self.name}"
        self._stream = stream
        self._audio = audio
        self._show = show
        self._given = 0  # frames of the kept audio
        self._is_behind = len(audio) > 0 or not audio.is_whole
        self._is_finishing = self._is_finished = False
        self._stable = ""
        self._final: Transcript | None = None
        self._error: EngineError | None = None
        self._news = Signal()
        self._now_s = asyncio.get_running_loop().time
        abilities = recognizer.abilities
        self._deadlines = Deadlines(abilities.final_deadline_s, None if may_stall else abilities.stall_deadline_s)
        self._following = asyncio.create_task(self._follow(), name=f"recognition-{self.name}")

    @property
    def is_behind(self) -> bool:
        """Whether it has not been given all audio yet."""
        return self._is_behind

    def push(self, frame: KeptFrame) -> None:
        """Take a new frame, which was kept before; it waits for its turn while there are older ones."""
        if not self._is_behind:
            self._give(frame)

    def finish(self) -> None:
        """No more audio comes."""
        self._is_finishing = True
        if not self._is_behind:
            self._finish()

    async def run(self) -> Transcript:
        """Return the final transcript; raises `EngineError`."""
        await self._catch_up()
        while self._final is None:
            if self._error is not None:
                raise self._error
            due_s = self._deadlines.due_s
            if self._now_s() >= due_s:
                raise self._late(due_s)
            try:
                async with asyncio.timeout_at(None if due_s == math.inf else due_s):
                    await self._news.wait_until(lambda due_s=due_s: self._has_ended or self._deadlines.due_s < due_s)
            except TimeoutError:
                continue  # the deadline may have moved on meanwhile
        return self._final

    async def aclose(self) -> None:
        """Drop the stream; takes `CLOSE_S` at most. Safe to call twice."""
        closing = asyncio.create_task(self._close(), name=f"closing-{self.name}")
        _, stuck = await asyncio.wait({closing}, timeout=CLOSE_S)
        if stuck:
            logger.error("%s did not close its stream within %g s", self.name, CLOSE_S)
            closing.cancel()

    @property
    def _has_ended(self) -> bool:
        return self._final is not None or self._error is not None

    async def _catch_up(self) -> None:
        """Give the recogniser the audio from the start, in slices."""
        while self._is_behind and not self._has_ended:
            if not self._audio.is_whole:
                raise NotKept(f"The {self._called} cannot take over an utterance of more than {MAX_KEPT_S} s.")
            for frame in self._audio.slice(self._given, FRAMES_AT_ONCE):
                self._give(frame)
                self._given += 1
            self._is_behind = self._given < len(self._audio)
            if self._is_behind:
                await asyncio.sleep(0)
            elif self._is_finishing:
                self._finish()

    def _give(self, frame: KeptFrame) -> None:
        if self._error is not None or self._is_finished:
            return
        try:
            with engine_call(self._called):
                self._stream.push(frame.pcm, speech=frame.speech)
        except EngineError as error:
            self._fail(error)
            return
        self.heard_s += frame.seconds
        due_s = self._deadlines.due_s
        self._deadlines.push(frame.seconds, self._now_s(), speech=frame.speech)
        if self._deadlines.due_s < due_s:
            self._news.notify()

    def _finish(self) -> None:
        if self._error is not None or self._is_finished:
            return
        self._is_finished = True
        self._deadlines.finish(self._now_s())
        try:
            with engine_call(self._called):
                self._stream.finish()
        except EngineError as error:
            self._fail(error)
        self._news.notify()

    def _fail(self, error: EngineError) -> None:
        self._error = self._error or error
        self._news.notify()

    def _late(self, due_s: float) -> EngineError:
        if due_s >= self._deadlines.stalls_at_s:
            return Stalled(f"The {self._called} has stalled.")
        return Unavailable(f"The {self._called} did not answer in time.")

    async def _follow(self) -> None:
        try:
            with engine_call(self._called):
                async for transcript in self._stream:
                    if self._has_ended:
                        return
                    self._take(transcript)
            if not self._has_ended:
                raise Unavailable(f"The {self._called} ended its stream without a final transcript.")
        except EngineError as error:
            self._fail(error)

    def _take(self, transcript: Transcript) -> None:
        self._deadlines.answer(self._now_s())
        if not transcript.is_final:
            transcript = self._grown(transcript)
            self._stable = transcript.stable
            self._show(self, transcript)
        elif not self._is_finished:
            raise Unavailable(f"The {self._called} gave its final transcript before the end of the audio.")
        else:
            self._final = transcript
            self._news.notify()

    def _grown(self, transcript: Transcript) -> Transcript:
        """Return the transcript with the stable text as before it, and what follows; raises `Unavailable`.

        Changes of case and punctuation wait for the final transcript. An engine that takes words back has lost them,
        as after a reconnect, so it could not tell the whole utterance.
        """
        if transcript.stable.startswith(self._stable):
            return transcript
        before, words = split_words(self._stable), split_words(transcript.stable)
        if [bare(word) for word in words[: len(before)]] != [bare(word) for word in before]:
            raise Unavailable(f"The {self._called} took back words that were stable.")
        return replace(transcript, stable=join_words((self._stable, *words[len(before) :])))

    async def _close(self) -> None:
        self._following.cancel()
        await asyncio.wait({self._following}, timeout=CLOSE_S / 2)
        try:
            with engine_call(self._called):
                await self._stream.aclose()
        except EngineError as error:
            logger.warning("a stream could not be closed: %s", error)
