"""NeMo's own streaming pipeline, opened up where the server needs it. Imported only in the process that runs it."""

import contextlib
import logging
import os
import tarfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from streamsrv.audio.pcm import to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.nemo_toolkit.messages import Load

_INFERENCE = "nemo.collections.asr.inference"
_NO_END = -1
"""Milliseconds of silence after which NeMo ends an utterance; negative: never, because turn taking decides that."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next audio of a stream: exactly one step of the model, int16 at 16 kHz."""

    stream: int
    pcm: bytes
    is_first: bool
    language: str = ""


class NemoPipeline:
    """A loaded cache-aware model. Not thread-safe: one thread decodes the steps of all streams together."""

    def __init__(self, load: Load) -> None:
        """Import NeMo, which takes half a minute of CPU time, and load the model. Raises any exception."""
        os.environ["HF_HUB_OFFLINE"] = "1"
        warnings.filterwarnings("ignore")
        logging.getLogger("nv_one_logger").setLevel(logging.ERROR)
        torch: Any = import_module("torch")
        import_module("nemo.utils").logging.setLevel(logging.ERROR)
        builder: Any = import_module(f"{_INFERENCE}.factory.pipeline_builder").PipelineBuilder
        if load.device == "cpu":
            torch.set_num_threads(1)
        self._torch = torch
        self.device = load.device if load.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        configuration = _configuration(load, self.device, _dtype(load, self.device))
        if load.right_context is not None:
            configuration.streaming.att_context_size = _context(load.path, load.right_context)
        self._pipeline: Any = builder.build_pipeline(configuration)
        self._pipeline.bufferer.preprocessor.featurizer.dither = 0.0
        self._pipeline.open_session()
        self.chunk_samples = round(self._pipeline.chunk_size_in_secs * SPEECH_RATE_HZ)
        self.token_ms = float(self._pipeline.model_stride_in_milliseconds)
        self._new_frame: Any = import_module(f"{_INFERENCE}.streaming.framing.request").Frame
        self._new_options: Any = import_module(f"{_INFERENCE}.streaming.framing.request_options").ASRRequestOptions
        self._prompts = _prompts(self._pipeline)
        self.languages = sorted(self._prompts.keys() - {"auto"})

    def step(self, chunks: Sequence[Chunk]) -> dict[int, list[tuple[str, float]]]:
        """Decode one chunk of each of these streams; return their new tokens with times in ms, by stream. Blocks."""
        before = {chunk.stream: 0 if chunk.is_first else len(self._tokens(chunk.stream)[0]) for chunk in chunks}
        with self._torch.inference_mode():
            self._pipeline.transcribe_step([self._frame(chunk) for chunk in chunks])
        return {stream: self._since(stream, count) for stream, count in before.items()}

    def forget(self, stream: int) -> None:
        """Free the slots of a stream, whether it ended or broke."""
        with contextlib.suppress(KeyError):
            self._pipeline.context_manager.reset_slots([stream], [True])
        slot = self._pipeline.bufferer.streamidx2slotidx.get(stream)
        if slot is not None:
            self._pipeline.bufferer.free_slots([slot])
        self._pipeline.delete_state(stream)

    def _tokens(self, stream: int) -> tuple[list[int], list[int]]:
        state = self._pipeline.get_state(stream)
        return state.tokens, state.timesteps

    def _since(self, stream: int, count: int) -> list[tuple[str, float]]:
        tokens, steps = self._tokens(stream)
        vocabulary = self._pipeline.vocabulary
        skipped = self._pipeline.language_token_ids
        found = zip(tokens[count:], steps[count:], strict=True)
        return [(vocabulary[token], float(at) * self.token_ms) for token, at in found if token not in skipped]

    def _frame(self, chunk: Chunk) -> Any:
        samples = self._torch.from_numpy(to_float(np.frombuffer(chunk.pcm, np.int16)))
        language = self._prompts.get(chunk.language or "auto") if self._prompts else None
        options = self._new_options(language_code=language, stop_history_eou=_NO_END)
        return self._new_frame(samples=samples, stream_id=chunk.stream, is_first=chunk.is_first, options=options)


def _prompts(pipeline: Any) -> Mapping[str, str]:
    """Return what the model is told for each language, by ISO 639-1 code, and for `auto`; empty if it is told none."""
    if not pipeline.prompt_enabled:
        return {}
    found: dict[str, str] = {}
    for name in pipeline._prompt_config["prompt_dict"]:
        found.setdefault(str(name).partition("-")[0].lower(), str(name))
    found.setdefault("auto", found.get("en", ""))
    return found


def _context(path: str, right: int) -> list[int]:
    """Return the attention context of the model whose right part is `right` frames; raises `ValueError`."""
    with tarfile.open(path) as archive:
        name = next(name for name in archive.getnames() if name.endswith("model_config.yaml"))
        text = archive.extractfile(name)
        assert text is not None
        contexts: Any = import_module("omegaconf").OmegaConf.create(text.read().decode()).encoder.att_context_size
    known = [
        [int(part) for part in context] for context in (contexts if isinstance(contexts[0], Iterable) else [contexts])
    ]
    for context in known:
        if context[1] == right:
            return context
    accepted = ", ".join(str(context[1]) for context in known)
    raise ValueError(f"its option right_context: {right}; accepted by this model: {accepted}")


def _dtype(load: Load, device: str) -> str:
    if load.compute_type != "auto":
        return load.compute_type
    return "bfloat16" if device == "cuda" else "float32"


def _configuration(load: Load, device: str, dtype: str) -> Any:
    """Return the configuration that NeMo's package does not carry; after its examples of streaming inference."""
    greedy = {"use_cuda_graph_decoder": device == "cuda", "max_symbols": 10, "enable_per_stream_biasing": False}
    decoding = {"strategy": "greedy_batch", "preserve_alignments": False, "fused_batch_size": -1, "greedy": greedy}
    entropy = {"name": "entropy", "entropy_type": "tsallis", "alpha": 0.5, "entropy_norm": "exp"}
    return import_module("omegaconf").OmegaConf.create(
        {
            "asr": {
                "model_name": load.path,
                "device": device,
                "device_id": 0,
                "compute_dtype": dtype,
                "use_amp": dtype != "float32",
                "decoding": decoding,
            },
            "asr_decoding_type": "rnnt",
            "pipeline_type": "cache_aware",
            "log_level": logging.ERROR,
            "matmul_precision": "high",
            "enable_itn": False,
            "enable_nmt": False,
            "lang": None,
            "cache_dir": None,
            "asr_output_granularity": "segment",
            "return_tail_result": False,
            "confidence": {"exclude_blank": True, "aggregation": "mean", "method_cfg": entropy},
            "endpointing": {"stop_history_eou": _NO_END, "residue_tokens_at_end": 0},
            "itn": {
                "batch_size": 1,
                "n_jobs": 1,
                "left_padding_size": 4,
                "whitelist": None,
                "overwrite_cache": False,
                "max_number_of_permutations_per_split": 729,
            },
            "streaming": {
                "sample_rate": SPEECH_RATE_HZ,
                "batch_size": load.streams,
                "num_slots": load.streams,
                "att_context_size": None,
                "use_cache": True,
                "use_feat_cache": True,
                "chunk_size_in_secs": None,
                "word_boundary_tolerance": 4,
                "request_type": "frame",
                "padding_mode": "right",
            },
        }
    )
