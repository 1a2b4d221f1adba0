"""Opens onnxruntime sessions configured so that several models share a few cores."""

from pathlib import Path
from typing import Any

import onnxruntime


def open_session(model: Path) -> Any:
    """Load a model for the CPU. It computes on the caller's thread, as thread pools of two models stall each other."""
    runtime: Any = onnxruntime  # its types are incomplete
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
