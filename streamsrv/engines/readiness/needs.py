"""Finds what a model lacks on this machine before it can be loaded, and how to get it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from shutil import which
from typing import Literal

from rich.filesize import decimal

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.readiness.gpu import has_gpu
from streamsrv.engines.weights.store import ModelStore, UnreadableWeights


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a model lacks; `remedy` is a command or a sentence for the user."""

    what: Literal["package", "engine", "weights", "licence", "command", "address", "key", "gpu"]
    """`engine`: its packages are there, but cannot be used, or its options are wrong."""
    remedy: str
    packages: tuple[str, ...] = ()
    """What pip installs to mend it, such as `streamsrv[speech]`."""
    model: str = ""
    """The model whose weights `streamsrv pull` fetches to mend it."""
    size: int = 0
    """Bytes of these weights."""

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def needs(entry: ModelEntry, store: ModelStore, environment: Mapping[str, str] = os.environ) -> list[Need]:
    """Return everything that the entry lacks; an empty list if it seems ready. Imports no engine, uses no network."""
    found: list[Need] = []
    if lacking := [module for module in entry.required_here if not is_installed(module)]:
        packages = (f"streamsrv[{entry.extra}]",) if entry.extra else tuple(lacking)
        quoted = " ".join(f"'{package}'" if "[" in package else package for package in packages)
        found.append(Need("package", f"pip install {quoted}", packages=packages))
    try:
        if files := store.missing(entry):
            size = sum(file.size for file in files)
            remedy = f"streamsrv pull {entry.name} ({decimal(size)})"
            found.append(Need("weights", remedy, model=entry.name, size=size))
    except UnreadableWeights as error:
        found.append(Need("weights", str(error)))
    for command in entry.commands:
        if which(command, path=environment.get("PATH")) is None:
            found.append(Need("command", f"install the program {command} (Debian, Ubuntu: apt-get install {command})"))
    if entry.licence_to_accept:
        found.append(licence_need(entry))
    if entry.hardware == "gpu" and entry.options.get("device") != "cpu" and not has_gpu(environment):
        found.append(Need("gpu", "needs a GPU with CUDA, and this machine has none that can be used"))
    if entry.needs_url and not entry.options.get("base_url"):
        found.append(Need("address", f'set chat_urls, such as {{ "{entry.name}" = "http://HOST:8000/v1" }}'))
    if entry.key_variable and not entry.key_is_optional and not environment.get(entry.key_variable):
        found.append(Need("key", f"set {entry.key_variable}"))
    return found


def licence_need(entry: ModelEntry) -> Need:
    """Return what the operator must do before an entry with a `licence_to_accept` is fetched or loaded."""
    name, terms = entry.licence_to_accept, f", {entry.licence_terms}" if entry.licence_terms else ""
    return Need("licence", f"its licence is {name}{terms}; if you accept it, add {name} to accepted_licences")


def is_installed(module: str) -> bool:
    """Whether `module` (a top-level name) is there to be imported, without importing it."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
