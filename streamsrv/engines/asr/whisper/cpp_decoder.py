"""Recognises windows of speech with whisper.cpp, on the worker threads of a scheduler."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import level_dbfs, to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions
from streamsrv.engines.asr.whisper.cpp_native import Context, Request, Written, languages
from streamsrv.engines.asr.whisper.ggml_files import GgmlFacts
from streamsrv.engines.asr.whisper.languages import restricted, spoken_languages, to_ours, to_whisper
from streamsrv.engines.asr.whisper.lengths import MAX_S, TESTED_WIDTHS, max_tokens, padded_s
from streamsrv.engines.asr.whisper.timing import Piece, logprobs_of
from streamsrv.engines.asr.windows.incremental import Decode, Hypothesis, decode_on_thread
from streamsrv.engines.asr.windows.loops import cut_loop
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.text.words import join_words

_MORE_PADDING_S = 2
"""Silence that whisper.cpp needs after the speech, besides what CTranslate2 needs."""
# Without timestamps, whisper.cpp's probability of no speech is always low, so that these must find invented text alone.
_MIN_MEAN_LOGPROB = -1.0
"""Mean log-probability of the tokens below which a text is invented. Of short commands it is up to 0.95 below 0."""
_MIN_LEVEL_DBFS = -65.0
"""Level below which there is no speech. Whisper hears "you" in digital silence."""
_SURE_S = 5.0
"""Seconds of speech in which a detected language is certain; whisper.cpp does not give its probability."""
_DEADLINE_S = 15.0
_SLOW_DEADLINE_S = 60.0
"""Seconds in which a final text is there, unless the model is broken: larger models than base take long on a CPU."""


@dataclass(frozen=True, slots=True)
class CppSettings:
    """How a `CppDecoder` works; see `WhisperCppOptions`."""

    language: str = ""
    languages: frozenset[str] = frozenset()
    translates: bool = True
    contexts: int = 1


class CppDecoder:
    """An `AsyncWindowDecoder` over some contexts of one model. A decode that nobody awaits any more is aborted."""

    max_window_ms = 28_000
    stops = True

    def __init__(self, path: Path, facts: GgmlFacts, settings: CppSettings, scheduler: Scheduler) -> None:
        self._settings = settings
        self._scheduler = scheduler
        self._can_be_short = facts.width in TESTED_WIDTHS
        known = spoken_languages(f"<|{code}|>" for code in (languages() if facts.is_multilingual else ("en",)))
        chosen = restricted(known, settings.languages)
        if unknown := sorted((settings.languages | {settings.language}) - known - {""}):
            raise Unavailable(
                f"{path} does not know the language {unknown[0]!r} (accepted: {', '.join(sorted(known))})"
            )
        self._detects = len(chosen) > 1
        self.abilities = Abilities(
            chosen,
            detects_language=self._detects,
            prompt=True,
            keywords=True,
            logprobs=True,
            translates=facts.is_multilingual and settings.translates,
            final_deadline_s=_DEADLINE_S if self._can_be_short else _SLOW_DEADLINE_S,
        )
        self._contexts: SimpleQueue[Context] = SimpleQueue()
        for _ in range(settings.contexts):
            self._contexts.put(Context(path))

    async def decode(self, window: Decode) -> Hypothesis:
        """Recognise a window on a worker thread, by its priority."""
        return await decode_on_thread(self._scheduler, window, self._decode)

    def _decode(self, window: Decode, is_abandoned: Callable[[], bool]) -> Hypothesis:
        """Decode on this thread.

        If a loop was cut from the text, the speaker may really have repeated the words. Then each part between the
        pauses is decoded separately.
        """
        window.started = True
        if level_dbfs(window.samples) < _MIN_LEVEL_DBFS:
            return Hypothesis("")
        context = self._contexts.get()
        try:
            samples = to_float(window.samples)
            whole = self._recognize(context, samples, window.options, is_abandoned)
            if not (whole.is_cut and window.pauses):
                return whole
            pieces = np.split(samples, window.pauses)
            parts = [self._recognize(context, part, window.options, is_abandoned) for part in pieces]
        finally:
            self._contexts.put(context)
        logprobs = tuple(logprob for part in parts for logprob in part.logprobs)
        return replace(whole, text=join_words(tuple(part.text for part in parts)), logprobs=logprobs)

    def _recognize(
        self,
        context: Context,
        samples: NDArray[np.float32],
        options: RecognitionOptions,
        is_abandoned: Callable[[], bool],
    ) -> Hypothesis:
        seconds = len(samples) / SPEECH_RATE_HZ
        given = self._language(options)

        def attempt(language: str, before: str, padded: float) -> tuple[Hypothesis, Written]:
            limit = max_tokens(seconds, language, options.task)
            request = Request(language, padded, options.task == "translate", before, limit)
            written = context.write(samples, request, is_abandoned)
            return self._judged(context, written, limit, options), written

        padded = padded_s(seconds + _MORE_PADDING_S) if self._can_be_short else MAX_S
        before = " ".join(filter(None, (options.prompt.strip(), ", ".join(options.keywords))))
        hypothesis, written = attempt(given, before, padded)
        allowed = self.abilities.languages.intersection(options.languages) or self.abilities.languages
        if not given and to_ours(written.language) not in allowed:
            attempts = [attempt(language, before, padded) for language in sorted(allowed)]
            hypothesis, written = max(attempts, key=lambda each: _mean(each[1].logprobs))
        # A strange prompt makes the decoder loop or be silent, and so does too little silence after the speech.
        if hypothesis.is_cut or (before and not hypothesis.text):
            hypothesis, written = attempt(to_ours(written.language), "", MAX_S if hypothesis.is_cut else padded)
        is_sure = not given and seconds >= _SURE_S and bool(hypothesis.text)
        return replace(hypothesis, is_sure_of_language=is_sure)

    def _language(self, options: RecognitionOptions) -> str:
        """Return the client's language if the model knows it, else the entry's; empty if it must be detected."""
        known = self.abilities.languages
        for language in (options.language, self._settings.language):
            if language and language in known:
                return language
        wanted = known.intersection(options.languages) or known
        return next(iter(wanted)) if len(set(map(to_whisper, wanted))) == 1 else ""

    def _judged(self, context: Context, written: Written, limit: int, options: RecognitionOptions) -> Hypothesis:
        """Return the hypothesis, without text if nobody said it."""
        ended = bool(written.tokens) and written.tokens[-1] == context.end
        tokens = [token for token in written.tokens if token < context.end]
        kept = cut_loop(tokens, ended=ended and len(tokens) < limit)
        is_cut = kept != tokens
        pieces = _pieces([context.text(token) for token in kept], written.logprobs)
        text = "".join(piece.text for piece in pieces).strip()
        is_noise = not ended and len(kept) <= len(tokens) // 2
        if not any(map(str.isalnum, text)) or _mean(written.logprobs) < _MIN_MEAN_LOGPROB or is_noise:
            return Hypothesis("", is_cut=is_cut)
        logprobs = logprobs_of(pieces) if options.logprobs else ()
        return Hypothesis(text, to_ours(written.language), is_cut=is_cut, logprobs=logprobs)


def _pieces(texts: list[bytes], logprobs: tuple[float, ...]) -> list[Piece]:
    """Return the pieces of a text, which are whole characters, from those of its tokens."""
    pieces: list[Piece] = []
    held, sum_held = b"", 0.0
    for text, logprob in zip(texts, logprobs, strict=False):
        held, sum_held = held + text, sum_held + logprob
        try:
            pieces.append(Piece(held.decode(), 0, 0, sum_held))
        except UnicodeDecodeError:
            continue
        held, sum_held = b"", 0.0
    return pieces


def _mean(logprobs: tuple[float, ...]) -> float:
    return sum(logprobs) / len(logprobs) if logprobs else float("-inf")
