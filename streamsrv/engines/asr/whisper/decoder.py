"""Recognises windows of speech with a Whisper model, one or several in one call."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions
from streamsrv.engines.asr.whisper.guards import Evidence
from streamsrv.engines.asr.whisper.languages import is_sure, likeliest, restricted
from streamsrv.engines.asr.whisper.lengths import MAX_S, TESTED_WIDTHS, max_tokens, padded_s
from streamsrv.engines.asr.whisper.model import OpenedModel
from streamsrv.engines.asr.whisper.timing import Piece, logprobs_of, read_pieces, words_of
from streamsrv.engines.asr.windows.incremental import Decode, Hypothesis
from streamsrv.engines.asr.windows.loops import cut_loop

_FRAMES_PER_SECOND = 100
BUCKETS_S = (10, 15, MAX_S)
"""Lengths of the audio in a batch: windows of the same bucket are decoded together."""
_MAX_CONTEXT_TOKENS = 200
"""Most tokens of keywords and prompt: Whisper takes 448 with the text."""
_KEYWORDS_TITLE = "Glossary:"
"""What keywords are introduced with: so the decoder writes more of them correctly than with the keywords alone."""
_DEADLINE_S = 15.0
_SLOW_DEADLINE_S = 60.0
"""Seconds in which a final text is there, unless the model is broken: small and larger models take long on a CPU."""


@dataclass(frozen=True, slots=True)
class DecoderSettings:
    """How a `WhisperDecoder` works; see `WhisperOptions`."""

    language: str = ""
    languages: frozenset[str] = frozenset()
    beam_size: int = 1
    translates: bool = True
    word_times: bool = True
    max_batch: int = 1


@dataclass(frozen=True, slots=True)
class _Window:
    """Mono audio at 16 kHz in -1..1."""

    samples: NDArray[np.float32]
    options: RecognitionOptions
    is_complete: bool

    @property
    def seconds(self) -> float:
        return len(self.samples) / SPEECH_RATE_HZ


@dataclass(frozen=True, slots=True)
class _Language:
    """The language of a window. `is_sure`: it was detected, and is certain."""

    code: str
    is_sure: bool = False


@dataclass(frozen=True, slots=True)
class _Text:
    """What the decoder wrote for a window: the tokens that are left of it, and the hypothesis without details."""

    tokens: list[int]
    hypothesis: Hypothesis
    is_suspect: bool
    """Whether the decoder may have been misled: it repeats itself, or has written nothing that was said."""


class WhisperDecoder:
    """Decodes windows in the model's languages. Thread-safe. Windows in one call do not affect each other's text."""

    max_window_ms = 28_000

    def __init__(self, model: OpenedModel, settings: DecoderSettings | None = None) -> None:
        self.model = model
        self._settings = settings = settings or DecoderSettings()
        languages = restricted(model.languages, settings.languages)
        self._detects = len(languages) > 1
        self._can_be_short = model.facts.width in TESTED_WIDTHS
        is_quick = self._can_be_short or model.device == "cuda"
        self._end = cast("int", model.tokens.token_to_id("<|endoftext|>"))
        self.max_batch = settings.max_batch
        self.abilities = Abilities(
            languages,
            detects_language=self._detects,
            prompt=True,
            keywords=True,
            logprobs=True,
            translates=self._detects and settings.translates,
            final_deadline_s=_DEADLINE_S if is_quick else _SLOW_DEADLINE_S,
        )

    def decode(self, windows: Sequence[Decode]) -> list[Hypothesis]:
        """Recognise windows, in order.

        If a loop was cut from a text, the speaker may really have repeated the words. Then each part between the pauses
        is decoded separately.
        """
        inputs = [_Window(to_float(each.samples), each.options, each.is_complete) for each in windows]
        hypotheses = self._recognize(inputs)
        for index, (window, given) in enumerate(zip(inputs, windows, strict=True)):
            if hypotheses[index].is_cut and given.pauses:
                parts = [replace(window, samples=part) for part in np.split(window.samples, given.pauses)]
                hypotheses[index] = hypotheses[index].of_parts(self._recognize(parts), given.pauses)
        return hypotheses

    def _recognize(self, windows: Sequence[_Window]) -> list[Hypothesis]:
        contexts = [self._context(window.options) for window in windows]
        frames = [self._frames(window) for window in windows]
        found: dict[int, Hypothesis] = {}
        # In one call of CTranslate2, all spectrograms must be of the same length, and all contexts, too.
        for group in _grouped((frames[index], len(contexts[index])) for index in range(len(windows))):
            for part in (group[at : at + self.max_batch] for at in range(0, len(group), self.max_batch)):
                chosen, before = [windows[index] for index in part], [contexts[index] for index in part]
                found |= zip(part, self._recognize_alike(chosen, before, frames[part[0]]), strict=True)
        return [found[index] for index in range(len(windows))]

    def _recognize_alike(
        self, windows: Sequence[_Window], contexts: Sequence[list[int]], frames: int
    ) -> list[Hypothesis]:
        encoded = self.model.encode(np.stack([self._features(window.samples, frames) for window in windows]))
        languages = self._languages(encoded, windows)
        texts = self._write(encoded, windows, contexts, languages)
        hypotheses = self._detailed(encoded, windows, languages, texts)
        longer = frames if self._can_be_short else MAX_S * _FRAMES_PER_SECOND
        for index, text in enumerate(texts):
            # A strange prompt, or too little silence after the speech, make a decoder loop or write nothing.
            if text.is_suspect and (contexts[index] or longer > frames):
                [hypotheses[index]] = self._recognize_alike([windows[index]], [[]], longer)
        return hypotheses

    def _frames(self, window: _Window) -> int:
        """Return the length of the spectrogram that the window is padded to, an even number of frames."""
        seconds = padded_s(window.seconds)
        if self.max_batch > 1:
            seconds = next(bucket for bucket in BUCKETS_S if seconds <= bucket)
        return int(seconds * _FRAMES_PER_SECOND) // 2 * 2

    def _features(self, samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
        """Return the log-mel spectrogram, shape (mel bands, frames)."""
        features = self.model.features(samples)[:, :frames]
        return np.pad(features, ((0, 0), (0, frames - features.shape[1])))

    def _context(self, options: RecognitionOptions) -> list[int]:
        """Return tokens of a text that might have been said before: the keywords and the prompt."""
        tokenizer = self.model.tokenizer("en", "transcribe")
        tokens: list[int] = []
        keywords = f"{_KEYWORDS_TITLE} {', '.join(options.keywords)}." if options.keywords else ""
        for text in (keywords, options.prompt):
            if text.strip():
                tokens += tokenizer.encode(f" {text.strip()}")[: _MAX_CONTEXT_TOKENS - len(tokens)]
        return [tokenizer.sot_prev, *tokens] if tokens else []

    def _languages(self, encoded: Any, windows: Sequence[_Window]) -> list[_Language]:
        """Return the language of each window: the client's if the model knows it, the entry's, or the detected one."""
        known = self.abilities.languages
        given = [
            next((code for code in (window.options.language, self._settings.language) if code and code in known), None)
            for window in windows
        ]
        if not self._detects:
            [only] = known
            return [_Language(code or only) for code in given]
        if all(given):
            return [_Language(code) for code in given if code]
        detected = self.model.whisper.detect_language(encoded)
        languages: list[_Language] = []
        for window, code, probabilities in zip(windows, given, detected, strict=True):
            if code:
                languages.append(_Language(code))
                continue
            allowed = known.intersection(window.options.languages) or known
            likely, probability = likeliest(probabilities, allowed)
            languages.append(_Language(likely, is_sure(probability, window.seconds)))
        return languages

    def _write(
        self,
        encoded: Any,
        windows: Sequence[_Window],
        contexts: Sequence[list[int]],
        languages: Sequence[_Language],
    ) -> list[_Text]:
        starts = [self._start(window, language) for window, language in zip(windows, languages, strict=True)]
        no_timestamps = self.model.tokens.token_to_id("<|notimestamps|>")
        limits = [
            max_tokens(window.seconds, language.code, window.options.task)
            for window, language in zip(windows, languages, strict=True)
        ]
        results = self.model.whisper.generate(
            encoded,
            [[*context, *start, no_timestamps] for context, start in zip(contexts, starts, strict=True)],
            beam_size=self._settings.beam_size,
            max_length=2 * max(limits),  # CTranslate2 stops at half of this
            return_scores=True,
            return_no_speech_prob=True,
        )
        return [
            self._judged(result, limit, language)
            for result, limit, language in zip(results, limits, languages, strict=True)
        ]

    def _start(self, window: _Window, language: _Language) -> list[int]:
        return self.model.tokenizer(language.code, window.options.task).sot_sequence

    def _judged(self, result: Any, limit: int, language: _Language) -> _Text:
        """Return the text of a result, or none if nobody said it."""
        written: list[int] = result.sequences_ids[0]
        tokens = [token for token in written[:limit] if token < self._end]  # those after it are times and marks
        kept = cut_loop(tokens, ended=len(written) < limit)
        evidence = Evidence(result.no_speech_prob, result.scores[0], len(written), len(kept))
        text = self.model.tokens.decode(kept).strip()
        is_cut = kept != tokens
        if any(map(str.isalnum, text)) and evidence.is_speech:
            heard = Hypothesis(text, language.code, is_cut=is_cut, is_sure_of_language=language.is_sure)
            return _Text(kept, heard, is_suspect=is_cut)
        return _Text([], Hypothesis("", is_cut=is_cut), is_suspect=True)

    def _detailed(
        self,
        encoded: Any,
        windows: Sequence[_Window],
        languages: Sequence[_Language],
        texts: Sequence[_Text],
    ) -> list[Hypothesis]:
        """Return the hypotheses with the times of words and the log-probabilities that are wanted."""
        hypotheses = [text.hypothesis for text in texts]
        wanted = {at for at, window in enumerate(windows) if texts[at].tokens and self._wants_details(window)}
        for group in _grouped(tuple(self._start(window, languages[at])) for at, window in enumerate(windows)):
            aligned = wanted.intersection(group)
            if not aligned:
                continue
            # The whole batch is aligned, others without a text: encoder outputs cannot be taken from it on a GPU.
            results = self.model.whisper.align(
                encoded,
                self._start(windows[group[0]], languages[group[0]]),
                [texts[index].tokens if index in aligned else [] for index in range(len(windows))],
                [max(int(window.seconds * _FRAMES_PER_SECOND), 2) for window in windows],
            )
            for index in sorted(aligned):
                pieces = self._pieces(texts[index].tokens, languages[index], results[index])
                hypotheses[index] = self._with_details(hypotheses[index], windows[index].options, pieces)
        return hypotheses

    def _wants_details(self, window: _Window) -> bool:
        is_transcribed = window.options.task == "transcribe"  # a translation has its words in another order
        return window.options.logprobs or (self._settings.word_times and window.is_complete and is_transcribed)

    def _pieces(self, tokens: list[int], language: _Language, alignment: Any) -> list[Piece]:
        tokenizer = self.model.tokenizer(language.code, "transcribe")
        texts, parts = tokenizer.split_tokens_on_unicode(tokens)
        return read_pieces(texts, parts, alignment.alignments, alignment.text_token_probs)

    def _with_details(self, hypothesis: Hypothesis, options: RecognitionOptions, pieces: list[Piece]) -> Hypothesis:
        words = words_of(pieces) if self._settings.word_times and options.task == "transcribe" else ()
        return replace(hypothesis, words=words, logprobs=logprobs_of(pieces) if options.logprobs else ())


def _grouped(keys: Iterable[Hashable]) -> list[list[int]]:
    """Return the indices of the same key together."""
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        groups[key].append(index)
    return list(groups.values())
