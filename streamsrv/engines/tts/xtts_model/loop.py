"""The serving loop of XTTS: one step makes a token for every segment, and decodes the windows that are due.

The module that `ProcessSynthesizer` names: `open_loop` runs in the engine's process.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from streamsrv.audio.pcm import from_float
from streamsrv.engines.tts.process.messages import Broken, Ended, Load, Loaded, Speak, Spoken
from streamsrv.engines.tts.xtts_model.frames import FrameGrid
from streamsrv.engines.tts.xtts_model.gpt import Sampling, SpeechGpt
from streamsrv.engines.tts.xtts_model.graphs import Graphs
from streamsrv.engines.tts.xtts_model.loading import load_model, number_of_streams, spoken_languages
from streamsrv.engines.tts.xtts_model.pieces import pieces
from streamsrv.engines.tts.xtts_model.speakers import Speaker, Speakers
from streamsrv.engines.tts.xtts_model.vocoder import MAX_BATCH, MAX_SPEED, Job, Vocoder
from streamsrv.engines.tts.xtts_model.windows import Window, next_window
from streamsrv.errors import Rejected

if TYPE_CHECKING:
    from streamsrv.audio.stretch import Stretcher

torch: Any = import_module("torch")

MIN_SPEED = 0.5
"""With `MAX_SPEED`, the speeds at which the model itself speaks well. Others are made by stretching its audio."""
SPEEDS = (0.25, 4.0)
"""Lowest and highest speed where audio can be stretched, which needs PyAV."""
MAX_PROMPTS = 2
"""Prompts read in one step: more of them would hold up the segments that are being spoken."""
_WARM_UP = "This sentence warms the voice up."


def open_loop(load: Load) -> "XttsLoop":
    """Load the model and warm it up; raises any exception."""
    try:
        return XttsLoop(load_model(load.files, load.options), load.options)
    except torch.OutOfMemoryError as error:
        raise RuntimeError(f"the GPU's memory is too small; set the option streams lower: {error}") from error


@dataclass(slots=True)
class _Segment:
    """A segment that is being spoken, piece by piece."""

    stream: int
    slot: int
    speaker: Speaker
    grid: FrameGrid
    waiting: deque[Sequence[int]]
    """The text tokens of the pieces that have not begun."""
    stretcher: "Stretcher | None"
    tokens: int = 0
    """Of the piece in progress."""
    is_complete: bool = True
    """Whether that piece has its last token."""
    done: int = 0
    """Its frames that are spoken."""
    due_since: int = 0
    history: list[int] = field(default_factory=list[int])
    """The tokens of all pieces, for comparison with other implementations."""

    @property
    def window(self) -> Window | None:
        count = self.grid.total(self.tokens) if self.is_complete else self.grid.known(self.tokens)
        return next_window(self.done, count, is_complete=self.is_complete)

    @property
    def is_spoken(self) -> bool:
        """Whether nothing of the piece in progress is left to say."""
        return self.is_complete and self.done >= self.grid.total(self.tokens)


class XttsLoop:
    """A `SpeechLoop` over a loaded `Xtts`."""

    def __init__(self, model: Any, options: Mapping[str, Any]) -> None:
        self._model, self._languages = model, spoken_languages(model)
        self._speakers = Speakers(model, self._languages)
        graphs = Graphs(model.device)
        streams = number_of_streams(model, options)
        dtype = getattr(torch, options["compute_type"])
        with torch.inference_mode():
            self._gpt = SpeechGpt(
                model.gpt, slots=streams, dtype=dtype, sampling=_sampling(model.config, options), graphs=graphs
            )
            self._vocoder = Vocoder(model.hifigan_decoder, graphs)
            self._gpt.warm_up()
            self._vocoder.warm_up()
        slowest, fastest = SPEEDS if find_spec("av") is not None else (MIN_SPEED, MAX_SPEED)
        self._free = list(range(streams))
        self._segments: dict[int, _Segment] = {}
        self._steps = 0
        self.loaded = Loaded(
            sample_rate=self._vocoder.sample_rate,
            voices=self._speakers.voices,
            min_speed=slowest,
            max_speed=fastest,
            clones_voices=True,
            streams=streams,
            device=str(model.device.type),
        )
        self._speak_once()

    @property
    def is_idle(self) -> bool:
        """Whether no segment is in progress."""
        return not self._segments

    def begin(self, request: Speak) -> None:
        """Take a segment; raises `Rejected`, or any other exception, if it cannot be spoken."""
        if request.language not in self._languages:
            raise Rejected(f"language: {request.language!r}; accepted: {', '.join(self._languages)}")
        tokenizer, language = self._model.tokenizer, request.language
        found = pieces(
            request.text,
            tokenizer.char_limits[language],
            self._gpt.max_text_tokens,
            lambda piece: tokenizer.encode(piece.strip().lower(), lang=language),
        )
        waiting = deque(tokens for _, tokens in found)
        with torch.inference_mode():
            speaker = self._speakers.find(request)
        speed = min(max(request.speed, MIN_SPEED), MAX_SPEED)
        stretcher = self._stretcher(request.speed / speed) if request.speed != speed else None
        grid = FrameGrid((1.0 / speed, *self._vocoder.scales))
        slot = min(self._free)  # low ones, because a step computes all up to the highest one in use
        self._free.remove(slot)
        self._segments[request.stream] = _Segment(request.stream, slot, speaker, grid, waiting, stretcher)

    def cancel(self, stream: int) -> None:
        """Drop a segment; its slot is free for the next one."""
        if (segment := self._segments.pop(stream, None)) is not None:
            with torch.inference_mode():
                self._gpt.halt(segment.slot)
            self._free.append(segment.slot)

    def step(self) -> Sequence[Spoken | Ended | Broken]:
        """Make a token for each segment, and decode some of the windows that are due."""
        self._steps += 1
        with torch.inference_mode():
            said: list[Spoken | Ended | Broken] = list(self._begin_pieces())
            by_slot = {segment.slot: segment for segment in self._segments.values()}
            for slot, token in self._gpt.step().items():
                self._take(by_slot[slot], token)
            said += self._decode_windows()
        return said

    def _stretcher(self, tempo: float) -> "Stretcher":
        return import_module("streamsrv.audio.stretch").Stretcher(self._vocoder.sample_rate, tempo)

    def _begin_pieces(self) -> Iterator[Spoken | Ended]:
        """Read the next prompt of segments that have spoken a piece; end those that have spoken all."""
        begun = 0
        for segment in list(self._segments.values()):
            if not segment.is_spoken:
                continue
            if not segment.waiting:
                self.cancel(segment.stream)
                if segment.stretcher is not None:
                    yield Spoken(segment.stream, segment.stretcher.finish().tobytes())
                yield Ended(segment.stream)
            elif begun < MAX_PROMPTS:
                begun += 1
                segment.tokens = segment.done = 0
                segment.is_complete = False
                text = segment.waiting.popleft()
                self._take(segment, self._gpt.begin(segment.slot, segment.speaker.conditioning, text))

    def _take(self, segment: _Segment, token: int) -> None:
        was_due = segment.window is not None
        segment.tokens += 1
        segment.history.append(token)
        if token == self._gpt.stop_token or segment.tokens >= self._gpt.max_tokens:
            segment.is_complete = True
            self._gpt.halt(segment.slot)
        if not was_due:
            segment.due_since = self._steps

    def _decode_windows(self) -> Iterator[Spoken | Broken]:
        """Decode at most `MAX_BATCH` windows of equal width: first ones of segments, then those that wait longest."""
        due = [(segment, window) for segment in self._segments.values() if (window := segment.window) is not None]
        due.sort(key=lambda each: (each[0].done > 0, each[0].due_since))
        chosen = [each for each in due if each[1].width == due[0][1].width][:MAX_BATCH]
        if not chosen:
            return
        audio = self._vocoder.decode([self._job(segment, window) for segment, window in chosen])
        for (segment, window), samples in zip(chosen, audio, strict=True):
            begin, end = ((at - window.start) * self._vocoder.frame_samples for at in (window.begin, window.end))
            taken = samples[begin:end]
            segment.done, segment.due_since = window.end, self._steps
            if np.isfinite(taken).all():
                pcm = from_float(taken)
                yield Spoken(segment.stream, (segment.stretcher.feed(pcm) if segment.stretcher else pcm).tobytes())
            else:
                self.cancel(segment.stream)
                yield Broken(segment.stream, "the model computed values that are no numbers")

    def _job(self, segment: _Segment, window: Window) -> Job:
        length = segment.tokens if segment.is_complete else None
        first, weights = segment.grid.weights(window.start, window.width, length)
        return Job(self._gpt.latents[segment.slot, first:], weights, segment.speaker.embedding)

    def _speak_once(self) -> None:
        """Speak a sentence with the first voice, if there is one, so that nothing is done for the first time later."""
        if self.loaded.voices:
            self.begin(Speak(-1, _WARM_UP, "", "en" if "en" in self._languages else self._languages[0], 1.0))
            while not self.is_idle:
                self.step()


def _sampling(config: Any, options: Mapping[str, Any]) -> Sampling:
    def chosen(name: str) -> Any:
        return getattr(config, name) if options[name] is None else options[name]

    return Sampling(
        float(chosen("temperature")), int(chosen("top_k")), float(chosen("top_p")), float(chosen("repetition_penalty"))
    )
