"""Moonshine base from its `.ort` files to int8 ONNX, once: it makes a decoder step about six times as fast.

The published files hold int8 weights that are turned into floats again at every step, and onnxruntime cannot simplify
a graph in its own format. Here that arithmetic is folded into constants, which are then quantised the usual way.
Needs the package `onnx` (extra `convert`).
"""

import logging
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnxruntime

logger = logging.getLogger(__name__)

NAMES = {"encoder_model.ort": "encoder_model.int8.onnx", "decoder_model_merged.ort": "decoder_model_merged.int8.onnx"}
"""What each weight file becomes, in the same folder."""

_runtime: Any = onnxruntime  # its types are incomplete


def converted(files: Mapping[str, Path]) -> dict[str, Path]:
    """The weight files with the models replaced by converted ones, which are made first if they are missing or older.

    That takes about 25 s and 1 GB of memory. Several processes may do it at once: each replaces whole files.
    """
    replaced = {name: files[name].with_name(target) for name, target in NAMES.items()}
    for name, target in replaced.items():
        if not target.exists() or target.stat().st_mtime_ns < files[name].stat().st_mtime_ns:
            logger.warning("converting %s for this machine: once, about 15 s", files[name])
            _convert(files[name], target)
    return {**files, **replaced}


def _convert(source: Path, target: Path) -> None:
    quantization: Any = import_module("onnxruntime.quantization")
    with TemporaryDirectory(dir=target.parent, prefix=".converting-") as folder:
        plain, named, folded, small = (Path(folder, f"{stage}.onnx") for stage in ("plain", "named", "folded", "small"))
        _save_optimized(source, plain, _runtime.GraphOptimizationLevel.ORT_DISABLE_ALL)
        _name_graphs(plain, named)
        _save_optimized(named, folded, _runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC)
        quantization.quantize_dynamic(
            folded,
            small,
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=["MatMul"],
            extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True},
        )
        os.replace(small, target)


def _save_optimized(source: Path, target: Path, level: Any) -> None:
    """Load a model and save what onnxruntime makes of it, as ONNX."""
    options = _runtime.SessionOptions()
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3  # it warns that a saved model may not suit another machine: these stay here
    options.add_session_config_entry("session.save_model_format", "ONNX")
    _runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _name_graphs(source: Path, target: Path) -> None:
    """Name the nameless subgraphs of a model, without which onnxruntime does not load it."""
    onnx: Any = import_module("onnx")
    model = onnx.load(source)
    for number, graph in enumerate(_graphs(model.graph)):
        graph.name = graph.name or f"graph_{number}"
    onnx.save(model, target)


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and all graphs inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)
