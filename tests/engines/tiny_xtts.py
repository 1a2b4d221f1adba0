"""Makes a tiny XTTS with random weights, of the model's own classes and in the files of the published one.

It imports the packages of the extra `xtts` when it is called.
"""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from streamsrv.engines.tts.process.messages import Load
from streamsrv.engines.tts.xtts import XttsOptions

WIDTH = 64
TINY = {
    "gpt_layers": 2,
    "gpt_n_model_channels": WIDTH,
    "gpt_n_heads": 2,
    "gpt_max_audio_tokens": 120,
    "gpt_num_audio_tokens": 130,
    "gpt_start_audio_token": 128,
    "gpt_stop_audio_token": 129,
    "decoder_input_dim": WIDTH,
}
PUBLISHED = {
    "gpt_layers": 30,
    "gpt_n_model_channels": 1024,
    "gpt_n_heads": 16,
    "gpt_max_audio_tokens": 605,
    "gpt_num_audio_tokens": 1026,
    "gpt_start_audio_token": 1024,
    "gpt_stop_audio_token": 1025,
    "decoder_input_dim": 1024,
}
"""Sizes: of the model in tests, and of the published one, for benchmarks."""
SPEAKERS = ("Ana Florence", "Damien Black", "Nobody Known")
LANGUAGES = ("en", "es", "fr", "de", "it", "pt", "pl", "tr", "ru", "nl", "cs", "ar", "zh-cn", "hu", "ko", "ja", "hi")
_CHARACTERS = [chr(code) for code in range(33, 127) if chr(code) not in "[]"] + list("äöüßáéíóúñç¿¡")


@contextmanager
def narrow_vocoder() -> Iterator[None]:
    """Let the classes make a vocoder with few channels, which no configuration can say."""
    module = import_module("TTS.tts.models.xtts")
    original = module.HifiDecoder
    module.HifiDecoder = functools.partial(original, upsample_initial_channel_decoder=32)
    try:
        yield
    finally:
        module.HifiDecoder = original


def make_random_xtts(folder: Path, size: Mapping[str, int]) -> Path:
    """Write config.json, vocab.json, model.pth and speakers_xtts.pth, and return the folder."""
    torch: Any = import_module("torch")
    folder.mkdir(parents=True, exist_ok=True)
    _write_vocabulary(folder / "vocab.json")
    configs = import_module("TTS.tts.configs.xtts_config")
    config = configs.XttsConfig()
    config.temperature, config.repetition_penalty, config.gpt_cond_len, config.max_ref_len = 0.75, 5.0, 30, 30
    config.model_args = configs.XttsArgs(gpt_use_perceiver_resampler=True, **size)
    config.save_json(str(folder / "config.json"))
    torch.manual_seed(0)
    model = import_module("TTS.tts.models.xtts").Xtts(config)
    model.tokenizer = import_module("TTS.tts.layers.xtts.tokenizer").VoiceBpeTokenizer(folder / "vocab.json")
    model.init_models()
    if size is TINY:
        _make_attentive(torch, model.gpt)
    torch.save({"model": model.state_dict(), "config": config.to_dict()}, folder / "model.pth")
    speakers = {
        name: {
            "gpt_cond_latent": torch.randn(1, 32, size["gpt_n_model_channels"]),
            "speaker_embedding": torch.randn(1, 512, 1),
        }
        for name in SPEAKERS
    }
    torch.save(speakers, folder / "speakers_xtts.pth")
    return folder


def make_tiny_xtts(folder: Path) -> Path:
    """As `make_random_xtts`, of the size for tests."""
    return make_random_xtts(folder, TINY)


def open_loop(load: Load) -> Any:
    """What a process runs in place of the engine's own module, so that its vocoder is as narrow as the weights are."""
    with narrow_vocoder():
        return import_module("streamsrv.engines.tts.xtts_model.loop").open_loop(load)


def files_of(folder: Path) -> dict[str, str]:
    return {path.name: str(path) for path in folder.iterdir()}


def options(**given: Any) -> dict[str, Any]:
    """Options as the engine's process gets them."""
    return asdict(XttsOptions(**{"device": "cpu", "streams": 4, **given}))


def _make_attentive(torch: Any, gpt: Any) -> None:
    """Make random weights larger, so that what is said depends on the text and on the voice."""
    with torch.no_grad():
        for table in (gpt.text_embedding, gpt.mel_embedding):
            table.weight.mul_(50)
        for block in gpt.gpt.h:
            block.attn.c_attn.weight.mul_(30)
            block.attn.c_proj.weight.mul_(60)


def _write_vocabulary(path: Path) -> None:
    tokenizers = import_module("tokenizers")
    special = ["[STOP]", "[UNK]", "[SPACE]", "[START]", *(f"[{code}]" for code in LANGUAGES)]
    numbers = {token: number for number, token in enumerate([*special, *_CHARACTERS])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=numbers, merges=[], unk_token="[UNK]"))
    tokenizer.add_special_tokens(special)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.save(str(path))
