"""Turns a catalogue entry into a loaded engine; no engine module is imported before it is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from streamsrv.inference.scheduler import Scheduler
from streamsrv.providers.catalogue import PACKAGES, ModelEntry


@dataclass(frozen=True, slots=True)
class LoadContext:
    """What an engine module's `load(entry, context)` may use."""

    scheduler: Scheduler
    """Runs the engine's blocking calls."""
    files: Mapping[str, Path]
    """The entry's weight files by name: present and verified."""
    api_key: str | None = None


def load_engine(entry: ModelEntry, context: LoadContext) -> Any:
    """Import the entry's engine module and load the model; blocks, so call it on a worker thread.

    Returns what the module's `load` returns: a `Recognizer`, `ChatModel`, `Synthesizer` or `Vad`.
    Raises `EngineError`, or `ImportError` when an extra is not installed.
    """
    module = import_module(f"{PACKAGES[entry.kind]}.{entry.engine}")
    return module.load(entry, context)
