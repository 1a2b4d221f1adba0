"""Loads XTTS's own classes with weights on disk. Imported only in the engine's process."""

import logging
import os
import warnings
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

MAX_STREAMS = 128
CPU_STREAMS = 2
"""Segments at once on a CPU, which is slower than real time even with one."""
_SHARE = 0.6
"""Share of the GPU's free memory that the caches of all streams may take."""
_READERS = {"zh": "pypinyin", "ja": "cutlet"}
"""Packages without which the model's tokeniser cannot read a language."""


def load_model(files: Mapping[str, str], options: Mapping[str, Any]) -> Any:
    """Return an `Xtts` that is ready to speak. Importing its packages takes 10 s of CPU time. Raises any exception.

    `options`: those of `XttsOptions`, by name.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("MPLCONFIGDIR", os.devnull)
    warnings.filterwarnings("ignore")
    torch: Any = import_module("torch")
    device: str = options["device"]
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(options["threads"])
    xtts: Any = import_module("TTS.tts.models.xtts")
    config: Any = import_module("TTS.tts.configs.xtts_config").XttsConfig()
    for name in ("TTS", "transformers"):
        logging.getLogger(name).setLevel(logging.ERROR)
    config.load_json(files["config.json"])
    model = xtts.Xtts.init_from_config(config)
    model._load_checkpoint = partial(_weights, xtts, torch)
    model.load_checkpoint(
        config,
        checkpoint_path=files["model.pth"],
        vocab_path=files["vocab.json"],
        speaker_file_path=files.get("speakers_xtts.pth", os.devnull + "/none"),
        eval=True,
    )
    return model.to(device)


def _weights(xtts: Any, torch: Any, path: Any) -> Any:
    """Return the weights in a checkpoint. The model's own method writes the file of the published model anew."""
    with xtts._legacy_safe_globals():
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)["model"]


def spoken_languages(model: Any) -> list[str]:
    """Return the ISO 639-1 codes of the languages that the model can read here."""
    codes = [code.partition("-")[0] for code in model.config.languages]
    return [code for code in codes if code not in _READERS or find_spec(_READERS[code]) is not None]


def number_of_streams(model: Any, options: Mapping[str, Any]) -> int:
    """Return how many segments are spoken at once: as the options say, or as many as the GPU's free memory holds."""
    if options["streams"] is not None:
        return int(options["streams"])
    if model.device.type == "cpu":
        return CPU_STREAMS
    torch: Any = import_module("torch")
    gpt = model.gpt
    positions = gpt.max_prompt_tokens + gpt.max_text_tokens + gpt.max_gen_mel_tokens
    number_bytes = torch.finfo(getattr(torch, options["compute_type"])).bits // 8
    each = 2 * gpt.layers * gpt.model_dim * positions * number_bytes
    free, _ = torch.cuda.mem_get_info()
    return int(max(1, min(MAX_STREAMS, free * _SHARE // each)))
