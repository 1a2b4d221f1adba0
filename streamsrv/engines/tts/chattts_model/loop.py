"""ChatTTS in the process that runs it: speaks one segment at a time, piece by piece.

Imported only in that process, because ChatTTS is under the AGPL. It is not thread-safe, and its voice is drawn from the
random numbers of PyTorch, so every text begins with the same seed.
"""

import hashlib
import json
import logging
import os
import warnings
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.files import AudioFileError, read_audio
from streamsrv.audio.pcm import from_float, to_float
from streamsrv.audio.stretch import Stretcher
from streamsrv.engines.tts.chattts_model.facts import FILES, LANGUAGES, SIZES_FILE, voice_name
from streamsrv.engines.tts.chattts_model.seams import SeamlessAudio
from streamsrv.engines.tts.chattts_model.text import pieces
from streamsrv.engines.tts.process.messages import Broken, Ended, Load, Loaded, LoadedVoice, Speak, Spoken
from streamsrv.text.voice_marks import MARKS

SAMPLE_RATE = 24_000
MIN_SPEED, MAX_SPEED = 0.5, 2.0
_TOKEN_SAMPLES = 512
_STREAM_BATCH = 12
"""Tokens from one decode to the next: a quarter of a second of audio."""
_HELD_TOKENS = 4
"""Tokens whose audio waits for the next decode, because it changes when more is known."""
_MAX_CHINESE_TOKENS, _MAX_LATIN_TOKENS, _MIN_TOKENS = 26, 8, 64
"""Tokens that a character may take: more than twice as many as at a usual pace."""
_MAX_REFERENCES = 16
_NOISE_SEED = 0


def open_loop(load: Load) -> "ChatTTSLoop":
    """Import ChatTTS, load the folder in the option `folder`, and speak once, because the first time takes seconds."""
    loop = ChatTTSLoop(_load_chat(load), load)
    loop.begin(Speak(0, "This sentence warms the voice up.", "", "en", 1.0))
    while not loop.is_idle:
        loop.step()
    return loop


class ChatTTSLoop:
    """A `tts.process.loop.SpeechLoop` with one segment at a time."""

    def __init__(self, chat: Any, load: Load) -> None:
        self._chat = chat
        self._torch: Any = import_module("torch")
        seeds: Sequence[int] = load.options["seeds"]
        self._speakers = {voice_name(seed): self._speaker(seed) for seed in seeds}
        self._references: OrderedDict[str, str] = OrderedDict()
        self._stream = 0
        self._audio: Generator[NDArray[np.int16], None, None] | None = None
        voices = [LoadedVoice(name, list(LANGUAGES), marks=list(MARKS)) for name in self._speakers]
        self.loaded = Loaded(SAMPLE_RATE, voices, MIN_SPEED, MAX_SPEED, True, 1, str(chat.device))

    @property
    def is_idle(self) -> bool:
        return self._audio is None

    def begin(self, request: Speak) -> None:
        """Take a segment. An unknown voice is the first one."""
        if self._audio is not None:
            raise RuntimeError("ChatTTS speaks one segment at a time")
        if request.reference:
            voice = {"spk_smp": self._reference(request)}
        else:
            default = next(iter(self._speakers.values()))
            voice = {"spk_emb": self._speakers.get(request.voice, default)}
        self._stream = request.stream
        self._audio = self._speak(request.text, voice, min(max(request.speed, MIN_SPEED), MAX_SPEED))

    def cancel(self, stream: int) -> None:
        if self._audio is not None and stream == self._stream:
            self._audio.close()
            self._audio = None

    def step(self) -> Sequence[Spoken | Ended | Broken]:
        """Speak up to the next decode of `_STREAM_BATCH` tokens."""
        if self._audio is None:
            return []
        try:
            pcm = next(self._audio, None)
        except Exception as error:
            self._audio = None
            if self._chat.device.type != "cpu" and not isinstance(error, self._torch.OutOfMemoryError):
                raise  # after a fault of the GPU nothing works in this process any more
            return [Broken(self._stream, f"{type(error).__name__}: {' '.join(str(error).split())}")]
        if pcm is None:
            self._audio = None
            return [Ended(self._stream)]
        return [Spoken(self._stream, pcm.tobytes())] if pcm.size else []

    def _speak(self, text: str, voice: dict[str, str], speed: float) -> Generator[NDArray[np.int16], None, None]:
        stretcher = Stretcher(SAMPLE_RATE, speed)
        for piece in pieces(text):
            for samples in self._decoded(piece, voice):
                yield stretcher.feed(from_float(samples))
        yield stretcher.finish()

    def _decoded(self, text: str, voice: dict[str, str]) -> Iterator[NDArray[np.float32]]:
        """Yield the audio of one piece. Raises what the model raises; closing it ends the generation."""
        chat = self._chat
        self._torch.manual_seed(_NOISE_SEED)
        chat.context.set(False)
        parameters = chat.InferCodeParams(  # new ones each time: ChatTTS changes them
            **voice,
            max_new_token=_most_tokens(text),
            stream_batch=_STREAM_BATCH,
            pass_first_n_batches=0,
            show_tqdm=False,
        )
        audio = SeamlessAudio(_HELD_TOKENS * _TOKEN_SAMPLES)
        normal = chat.normalizer(text, do_text_normalization=False)
        decoded = np.empty(0, np.float32)
        results = chat._infer_code([normal], True, chat.device, True, parameters)
        for result in results:
            if result.hiddens[0].shape[0] == 0:
                continue
            decoded = np.asarray(chat._decode_to_wavs(result.hiddens, True)[0], np.float32)
            result.destroy()
            yield audio.feed(decoded)
        yield audio.feed(decoded, is_last=True)

    def _speaker(self, seed: int) -> str:
        """Draw a voice; on the CPU, so that a seed is the same voice on every machine."""
        configuration = self._chat.config
        speaker: Any = import_module("ChatTTS.model").Speaker(
            configuration.gpt.hidden_size, configuration.spk_stat, self._torch.device("cpu")
        )
        self._torch.manual_seed(seed)
        return speaker.sample_random()

    def _reference(self, request: Speak) -> str:
        """Return the codes of a recording, which are kept for the next segment. Raises `ValueError`."""
        key = request.reference_id or request.reference
        if key not in self._references:
            try:
                pcm = read_audio(Path(request.reference), SAMPLE_RATE, max_seconds=60)
            except AudioFileError as error:
                raise ValueError(f"the recording of the voice cannot be used: {error}") from error
            self._references[key] = self._chat.sample_audio_speaker(to_float(pcm))
            if len(self._references) > _MAX_REFERENCES:
                self._references.popitem(last=False)
        self._references.move_to_end(key)
        return self._references[key]


def _most_tokens(text: str) -> int:
    each = (_MAX_CHINESE_TOKENS if ord(character) > 0x3000 else _MAX_LATIN_TOKENS for character in text)
    return _MIN_TOKENS + sum(each)


def _load_chat(load: Load) -> Any:
    """Import ChatTTS and load its folder; raises any exception."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.filterwarnings("ignore")
    torch: Any = import_module("torch")
    transformers_log: Any = import_module("transformers.utils.logging")
    transformers_log.set_verbosity_error()
    transformers_log.disable_progress_bar()
    chat: Any = import_module("ChatTTS").Chat(_quiet_logger())
    folder = Path(load.options["folder"])
    if (sizes := folder / SIZES_FILE).is_file():
        chat.config = changed(chat.config, json.loads(sizes.read_text(encoding="utf-8")))
    if not load.options["is_verified"]:
        chat.sha256_map = {_hash_key(name): _sha256(folder / name) for name in FILES}
    device = load.options["device"]
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(1)
    if not chat.load(source="custom", custom_path=str(folder), device=torch.device(device)):
        wrong = [name for name in FILES if _sha256(folder / name) != chat.sha256_map[_hash_key(name)]]
        raise ValueError(f"these files are not those that this version of ChatTTS knows: {', '.join(wrong)}")
    return chat


def changed(configuration: Any, changes: Mapping[str, Any]) -> Any:
    """Return a configuration of ChatTTS with other values, by name; raises `TypeError` for names that it lacks."""
    values = {
        name: changed(getattr(configuration, name, None), cast("Mapping[str, Any]", value))
        if isinstance(value, Mapping)
        else value
        for name, value in changes.items()
    }
    return replace(configuration, **values)


def _hash_key(name: str) -> str:
    """Return how ChatTTS calls the hash of a file."""
    return "sha256_" + name.replace("/", "_").replace(".", "_")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _quiet_logger() -> logging.Logger:
    """Return a logger for ChatTTS, which else logs what it speaks."""
    quiet = logging.getLogger("ChatTTS")
    quiet.setLevel(logging.CRITICAL)
    return quiet
