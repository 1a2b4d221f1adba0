"""Converts Moonshine base from its `.ort` files to int8 ONNX once, which makes a decoder step several times as fast.

The published files hold int8 weights that are converted to floats again at every step, and onnxruntime cannot simplify
a graph in its own format. The conversion folds that arithmetic into constants and then quantises them in the usual
way. It needs the package `onnx` (extra `convert`).
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnxruntime

NAMES = {"encoder_model.ort": "encoder_model.int8.onnx", "decoder_model_merged.ort": "decoder_model_merged.int8.onnx"}
"""The converted file of each weight file, in the same folder."""

_runtime: Any = onnxruntime  # its types are incomplete


def converted(files: Mapping[str, Path], report: Callable[[str], None]) -> dict[str, Path]:
    """Return the weight files with the models replaced by converted ones, after converting missing or outdated ones.

    Conversion takes some seconds and much memory. Several processes may convert at once: each replaces whole files.
    """
    replaced = {name: files[name].with_name(target) for name, target in NAMES.items()}
    for name, target in replaced.items():
        if not target.exists() or target.stat().st_mtime_ns < files[name].stat().st_mtime_ns:
            report(f"converting {files[name]} once; this takes some seconds")
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
        small.replace(target)


def _save_optimized(source: Path, target: Path, level: Any) -> None:
    """Load a model, let onnxruntime optimise it, and save it as ONNX."""
    options = _runtime.SessionOptions()
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ONNX")
    _runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _name_graphs(source: Path, target: Path) -> None:
    """Name the nameless subgraphs of a model, else onnxruntime does not load it, and mark it as pre-processed."""
    onnx: Any = import_module("onnx")
    model = onnx.load(source)
    for number, graph in enumerate(_graphs(model.graph)):
        graph.name = graph.name or f"graph_{number}"
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")  # the quantiser warns without it
    onnx.save(model, target)


def _graphs(graph: Any) -> Iterator[Any]:
    """Iterate over a graph and all graphs inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)
