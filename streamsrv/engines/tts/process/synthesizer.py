"""The server's side of a synthesiser in a process of its own."""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Sequence

import numpy as np

from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, SpokenWord, Voice
from streamsrv.engines.tts.process.messages import (
    FRAMING,
    Broken,
    Cancel,
    Ended,
    Load,
    Loaded,
    LoadedVoice,
    Speak,
    SpeechMessage,
    Spoken,
)
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.processes.kept_process import KeptProcess
from streamsrv.text.surrogates import whole_pairs

logger = logging.getLogger(__name__)

MODULE = "streamsrv.engines.tts.process.worker"
MAX_WAITING_PER_STREAM = 8
"""Segments that wait for a place, for each that is spoken at once; more are refused."""
MAX_UNREAD_S = 180
"""Seconds of audio of one segment that may wait here; more means that the model does not find the end."""
MAX_CHUNK_S = 1
"""Longest chunk, in seconds: the event loop handles a chunk without a break."""


class _Speech:
    """One segment: what of it has come from the process and is not read yet."""

    def __init__(self, number: int, process: "_Process") -> None:
        self.number = number
        self.process = process
        self.pieces: asyncio.Queue[Spoken | EngineError | None] = asyncio.Queue()
        self.unread_bytes = 0


class _Process:
    """One process and the segments that it speaks, by their numbers."""

    def __init__(
        self, owner: "ProcessSynthesizer", load: Load, python: str | None, requires: Sequence[str], extra: str
    ) -> None:
        self._owner = owner
        self.speeches: dict[int, _Speech] = {}
        self.kept: KeptProcess[SpeechMessage, Loaded] = KeptProcess(
            MODULE,
            FRAMING,
            load,
            Loaded,
            self._take,
            self._lose,
            name=owner.name,
            python=python,
            requires=requires,
            extra=extra,
        )

    @property
    def streams(self) -> int:
        """Segments that it speaks at once; one until that is known."""
        return self.kept.ready.streams if self.kept.ready is not None else 1

    @property
    def places(self) -> int:
        """Segments that it could begin now."""
        return self.streams - len(self.speeches) if self.kept.ready is not None else 0

    def end(self, speech: _Speech) -> None:
        """Forget a segment, and let the process drop it unless it has ended."""
        if self.speeches.pop(speech.number, None) is not None:
            self.kept.send(Cancel(speech.number))
            self._owner.hand_out()

    def _take(self, message: SpeechMessage) -> None:
        match message:
            case Loaded():
                self._owner.describe(message)
                self._owner.hand_out()
            case Spoken(stream=stream) if stream in self.speeches:
                self._put(self.speeches[stream], message)
            case Ended(stream=stream) if stream in self.speeches:
                self._finish(stream, None)
            case Broken(stream=stream) if stream in self.speeches:
                error = Rejected(message.reason) if message.is_rejected else self._failed(message.reason)
                self._finish(stream, error)
            case _:
                pass  # the segment was cancelled

    def _put(self, speech: _Speech, message: Spoken) -> None:
        loaded = self.kept.ready
        speech.unread_bytes += len(message.pcm)
        if loaded is not None and speech.unread_bytes > 2 * MAX_UNREAD_S * loaded.sample_rate:
            self.kept.send(Cancel(speech.number))
            self._finish(speech.number, self._failed(f"a segment is longer than {MAX_UNREAD_S} s"))
        elif len(message.pcm) % 2:
            self.kept.send(Cancel(speech.number))
            self._finish(speech.number, self._failed("its audio is not of whole samples"))
        else:
            speech.pieces.put_nowait(message)

    def _finish(self, stream: int, error: EngineError | None) -> None:
        self.speeches.pop(stream).pieces.put_nowait(error)
        self._owner.hand_out()

    def _failed(self, reason: str) -> Unavailable:
        return Unavailable(f"{self._owner.name} failed: {reason}")

    def _lose(self, error: Unavailable) -> None:
        speeches, self.speeches = self.speeches, {}
        for speech in speeches.values():
            speech.pieces.put_nowait(error)
        self._owner.hand_out()


class ProcessSynthesizer:
    """A `tts.base.Synthesizer` over one or more processes with the same model.

    Segments beyond what the processes speak at once wait in the order in which they came. When a process ends, its
    segments fail with `Unavailable`, and another one is started.
    """

    def __init__(
        self,
        load: Load,
        *,
        name: str,
        python: str | None = None,
        requires: Sequence[str] = (),
        extra: str = "",
        processes: int = 1,
        voices: tuple[Voice, ...] = (),
        languages: Sequence[str] = (),
    ) -> None:
        """`python`: the Python of another environment, which must have the modules `requires`; None: this one.

        `extra`: that of this package which installs them. `processes`: how many run, for a model that speaks few
        segments at once. `voices`: those that are known before the model is loaded. `languages`: the only ones that the
        voices shall speak, by ISO 639-1 codes; none: all that the model knows.
        """
        self.name = name
        self.sample_rate = PCM_RATE_HZ
        self.voices = voices
        self.clones_voices = False
        self.min_speed, self.max_speed = 1.0, 1.0
        self._numbers = itertools.count(1)
        self._waiting: deque[asyncio.Future[_Speech]] = deque()
        self._languages = frozenset(languages)
        self._processes = [_Process(self, load, python, requires, extra) for _ in range(processes)]

    @property
    def pids(self) -> list[int]:
        """The processes that run."""
        return [pid for process in self._processes if (pid := process.kept.pid) is not None]

    async def warm_up(self) -> None:
        """Start the processes, and wait until all have loaded the model; raises `Unavailable` with the reason."""
        await asyncio.gather(*(process.kept.start() for process in self._processes))

    async def aclose(self) -> None:
        """End the processes, and all segments."""
        await asyncio.gather(*(process.kept.aclose() for process in self._processes))

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        """Speak `text` as soon as there is a place for it; raises `Overloaded` if too many wait."""
        speech = await self._begin(text, options)
        try:
            while (piece := await speech.pieces.get()) is not None:
                if isinstance(piece, EngineError):
                    raise piece
                speech.unread_bytes -= len(piece.pcm)
                for chunk in self._chunks(piece):
                    yield chunk
        finally:
            speech.process.end(speech)

    def describe(self, loaded: Loaded) -> None:
        """Take over what a process says of its model."""
        self.sample_rate = loaded.sample_rate
        self.voices = tuple(_voice(voice, self._languages) for voice in loaded.voices)
        self.clones_voices = loaded.clones_voices
        self.min_speed, self.max_speed = loaded.min_speed, loaded.max_speed
        logger.info("%s runs on %s in the processes %s", self.name, loaded.device, self.pids)

    def hand_out(self) -> None:
        """Give free places to those who wait; if no process runs or is about to, they get its error."""
        while self._waiting:
            if self._waiting[0].done():  # it was cancelled
                self._waiting.popleft()
                continue
            try:
                speech = self._take_place()
            except EngineError as error:
                self._waiting.popleft().set_exception(error)
                continue
            if speech is None:
                return
            self._waiting.popleft().set_result(speech)

    async def _begin(self, text: str, options: SpeechOptions) -> _Speech:
        speech = self._take_place() if not self._waiting else None
        if speech is None:
            speech = await self._wait()
        reference = options.reference
        request = Speak(
            speech.number,
            whole_pairs(text),
            options.voice,
            options.language,
            options.speed,
            reference.id if reference is not None else "",
            str(reference.recording) if reference is not None else "",
        )
        if speech.number in speech.process.speeches:  # else the process has ended meanwhile
            speech.process.kept.send(request)
        return speech

    async def _wait(self) -> _Speech:
        most = MAX_WAITING_PER_STREAM * sum(process.streams for process in self._processes)
        if len(self._waiting) >= most:
            raise Overloaded(f"{self.name} has {len(self._waiting)} segments waiting, and takes no more.")
        waiting: asyncio.Future[_Speech] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                speech = waiting.result()
                speech.process.end(speech)
            raise

    def _take_place(self) -> _Speech | None:
        """Take a place at the process with the most room; None: there is none now. Raises `EngineError`."""
        process = max(self._processes, key=lambda process: process.places)
        if process.places > 0:
            speech = _Speech(next(self._numbers), process)
            process.speeches[speech.number] = speech
            return speech
        if any(process.kept.ready is not None for process in self._processes):
            return None
        failures: list[EngineError] = []
        for process in self._processes:
            try:
                process.kept.want()
            except EngineError as error:
                failures.append(error)
        if len(failures) == len(self._processes):
            raise failures[0]
        return None

    def _chunks(self, piece: Spoken) -> Iterator[SpeechChunk]:
        pcm = np.frombuffer(piece.pcm, np.int16).copy()  # receivers may change it
        words = tuple(SpokenWord(*word) for word in piece.words)
        step = MAX_CHUNK_S * self.sample_rate
        for start in range(0, len(pcm) or 1, step):
            yield SpeechChunk(pcm[start : start + step], words if start == 0 else ())


def _voice(voice: LoadedVoice, among: frozenset[str]) -> Voice:
    known = frozenset(voice.languages)
    languages = (known & among) or known or among
    gender = "female" if voice.gender == "female" else "male" if voice.gender == "male" else ""
    return Voice(voice.name, languages, voice.description, gender, frozenset(voice.marks))
