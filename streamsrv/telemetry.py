"""Turns off the telemetry of the packages that this one uses, so that a server contacts nobody by itself.

Each variable must be set before its package is imported for the first time, in each process. So `streamsrv/__init__.py`
does it, which every module of this package imports first.
"""

from collections.abc import MutableMapping

OFF = {
    # Looks up hosts of its maker and keeps a device id and a database in the home folder.
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, which faster-whisper imports
}
"""The variables that turn telemetry off, with their values."""


def turn_off(environment: MutableMapping[str, str]) -> None:
    """Set the variables of `OFF`. One that is set already keeps its value: the user has decided."""
    for name, value in OFF.items():
        environment.setdefault(name, value)
