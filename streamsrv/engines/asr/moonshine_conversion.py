"""Moonshine base from its `.ort` files to int8 ONNX, once: it makes a decoder step about six times as fast.

The published files hold int8 weights that are turned into floats again at every step, and onnxruntime cannot simplify
a graph in its own format. Here that arithmetic is folded into constants, which are then quantised the usual way.
Needs the package `onnx` (extra `convert`).
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnxruntime

NAMES = {"encoder_model.ort": "encoder_model.int8.onnx", "decoder_model_merged.ort": "decoder_model_merged.int8.onnx"}
"""What each weight file becomes, in the same folder."""

_runtime: Any = onnxruntime  # its types are incomplete


def converted(files: Mapping[str, Path], report: Callable[[str], None]) -> dict[str, Path]:
    """The weight files with the models replaced by converted ones, which are made first if they are missing or older.

    That takes some 20 s and 1.4 GB of memory. Several processes may do it at once: each replaces whole files.
    """
    replaced = {name: files[name].with_name(target) for name, target in NAMES.items()}
    for name, target in replaced.items():
        if not target.exists() or target.stat().st_mtime_ns < files[name].stat().st_mtime_ns:
            report(f"converting {files[name]} once, about 10 s")
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
    """Load a model and save what onnxruntime makes of it, as ONNX."""
    options = _runtime.SessionOptions()
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(target)
    options.add_session_config_entry("session.save_model_format", "ONNX")
    _runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def _name_graphs(source: Path, target: Path) -> None:
    """Name the nameless subgraphs of a model, without which onnxruntime does not load it, and note how it was made."""
    onnx: Any = import_module("onnx")
    model = onnx.load(source)
    for number, graph in enumerate(_graphs(model.graph)):
        graph.name = graph.name or f"graph_{number}"
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")  # quantising asks for it
    onnx.save(model, target)


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and all graphs inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)
