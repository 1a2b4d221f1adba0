"""Makes tiny streaming end-of-turn graphs with random weights and the inputs and outputs of the published ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx: Any = pytest.importorskip("onnx", reason="needs streamsrv[convert]")

STATES = {"audio": 400, "conv1": 12, "conv2": 12, "k": 24, "v": 24, "k_valid": 6, "h6": 8}
"""The states of turn-1-mini by their names; their lengths here."""
FLOAT = onnx.TensorProto.FLOAT


def write_turn_1(path: Path, *, shape: tuple[Any, ...] = (1, 2560), logits: bool = False, states: Any = STATES) -> Path:
    """Write a graph like turn-1-mini's: 160 ms of audio and seven states in, eight scores and the new states out."""
    nodes = [_node("Reshape", "audio", "by_frame", out="frames"), *_levels()]
    constants = {
        "by_frame": np.array([8, 320], np.int64),
        "mix": _random((8, 8)),
        "gain": _scalar(30),
        "half": _scalar(0.5),
    }
    nodes += [_node("Mul", "state_h6", "half", out="decayed"), _node("Add", "mixed", "decayed", out="logits")]
    nodes += [_node("Identity" if logits else "Sigmoid", "logits", out="scores")]
    constants["flat"] = np.array([8], np.int64)
    nodes += [_node("Reshape", "scores", "flat", out="probs"), _node("ReduceMean", "levels", out="level", keepdims=0)]
    for name in states:
        nodes += [_node("Mul", f"state_{name}", "half", out=f"old_{name}")]
        nodes += [_node("Add", f"old_{name}", "level", out=f"new_state_{name}")]
    inputs = {"audio": shape, **{f"state_{name}": (1, length) for name, length in states.items()}}
    outputs = {"probs": (8,), **{f"new_state_{name}": (1, length) for name, length in states.items()}}
    return _write(path, nodes, inputs, outputs, constants)


def write_streaming_turn(path: Path) -> Path:
    """Write a graph that hears 40 ms of any length, has one state, and gives the scores of both kinds in one output."""
    constants = {
        "by_frame": np.array([8, 80], np.int64),
        "mix": _random((8, 3)),
        "gain": _scalar(30),
        "half": _scalar(0.5),
    }
    constants["head"] = _random((8, 3))
    nodes = [_node("Reshape", "pcm", "by_frame", out="frames"), *_levels()]
    nodes += [_node("MatMul", "h", "head", out="from_state"), _node("Add", "mixed", "from_state", out="logits")]
    nodes += [_node("Sigmoid", "logits", out="scores"), _node("Mul", "h", "half", out="old")]
    nodes += [_node("Add", "old", "levels", out="hn")]
    inputs, outputs = {"pcm": (1, "samples"), "h": (1, 8)}, {"scores": (1, 3), "hn": (1, 8)}
    return _write(path, nodes, inputs, outputs, constants)


def _levels() -> list[Any]:
    return [
        _node("Abs", "frames", out="sizes"),
        _node("ReduceMean", "sizes", out="means", axes=[1], keepdims=0),
        _node("Unsqueeze", "means", "first", out="row"),
        _node("Mul", "row", "gain", out="levels"),
        _node("MatMul", "levels", "mix", out="mixed"),
    ]


def _node(kind: str, *inputs: str, out: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, inputs, [out], **attributes)


def _random(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def _scalar(value: float) -> Any:
    return np.array(value, np.float32)


def _write(path: Path, nodes: list[Any], inputs: Any, outputs: Any, constants: dict[str, Any]) -> Path:
    helper = onnx.helper
    constants["first"] = np.array([0], np.int64)
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path
