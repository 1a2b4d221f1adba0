"""Tells whether this machine has a GPU that CUDA can use."""

import os
from collections.abc import Mapping
from pathlib import Path

_NOT_VISIBLE = frozenset({"", "-1", "none", "void"})
"""Values of `CUDA_VISIBLE_DEVICES` with which CUDA finds no GPU."""


def has_gpu(environment: Mapping[str, str] = os.environ, devices: Path = Path("/dev")) -> bool:
    """Whether the driver of an NVIDIA GPU is there, and the environment does not hide it. Loads no library of CUDA."""
    if environment.get("CUDA_VISIBLE_DEVICES", "0").strip().lower() in _NOT_VISIBLE:
        return False
    return any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists()  # dxg: in Windows' subsystem for Linux
