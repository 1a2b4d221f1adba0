"""Finds what a model lacks on this machine before it can be loaded, and how to get it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from rich.filesize import decimal

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.weights import ModelStore


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a model lacks; `remedy` is a command or a sentence for the user."""

    what: Literal["package", "weights", "key"]
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def needs(entry: ModelEntry, store: ModelStore, environment: Mapping[str, str] = os.environ) -> list[Need]:
    """Return everything that the entry lacks; an empty list if it is ready. Imports no engine and uses no network."""
    found: list[Need] = []
    if lacking := [module for module in entry.requires if not is_installed(module)]:
        install = f"'streamsrv[{entry.extra}]'" if entry.extra else " ".join(lacking)
        found.append(Need("package", f"pip install {install}"))
    if files := store.missing(entry):
        size = decimal(sum(file.size for file in files))
        found.append(Need("weights", f"streamsrv pull {entry.name} ({size})"))
    if entry.key_variable and not environment.get(entry.key_variable):
        found.append(Need("key", f"set {entry.key_variable}"))
    return found


def is_installed(module: str) -> bool:
    """Whether `module` (a top-level name) can be imported, without importing it."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
