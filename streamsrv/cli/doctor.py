"""`streamsrv doctor`: whether the default models can start on this machine, and what else is there."""

import os
import platform
import shutil
import socket
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import typer

from streamsrv.cli.options import Config, open_catalogue

if TYPE_CHECKING:
    from streamsrv.engines.catalogue import Catalogue
    from streamsrv.engines.weights import ModelStore

DEFAULT_PORT = 8000
MEMORY_BYTES = 1_000_000_000
"""The default models need about half of it; the rest is for the system and the sessions."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `failed`: the default cannot start; `note`: worth knowing, stops nothing."""

    state: Literal["ok", "note", "failed"]
    subject: str
    detail: str


def doctor(config: Config = None) -> None:
    """Check this machine; the exit status is 1 if the default models cannot start."""
    from rich.console import Console
    from rich.text import Text

    from streamsrv.cli.serve import read_settings
    from streamsrv.engines.weights import ModelStore

    catalogue = open_catalogue(config)
    store = ModelStore(read_settings().model_folder)
    findings = [
        *check_machine(),
        check_model_folder(store),
        check_port(DEFAULT_PORT),
        *check_extras(catalogue),
        *check_default_models(catalogue, store),
        *check_keys(catalogue),
        *check_local_servers(),
    ]
    styles = {"ok": "green", "note": "yellow", "failed": "bold red"}
    width = max(len(finding.subject) for finding in findings)
    console = Console(soft_wrap=True, highlight=False)
    for finding in findings:
        state = Text(f"{finding.state:8}", styles[finding.state])
        console.print(state + Text(f"{finding.subject:{width}}  {finding.detail}"))
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(1)


def check_machine() -> list[Finding]:
    """Python, cores and memory."""
    from rich.filesize import decimal

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return [
        Finding("ok", "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("ok", "cores", str(cores)),
        Finding("ok" if memory >= MEMORY_BYTES else "note", "memory", decimal(memory)),
    ]


def check_model_folder(store: "ModelStore") -> Finding:
    """Whether weights can be written, and how much room there is."""
    from rich.filesize import decimal

    existing = next(folder for folder in (store.folder, *store.folder.absolute().parents) if folder.exists())
    detail = f"{store.folder} ({decimal(shutil.disk_usage(existing).free)} free)"
    if not os.access(existing, os.W_OK):
        return Finding("note", "model folder", f"{detail}: not writable, nothing can be pulled into it")
    return Finding("ok", "model folder", detail)


def check_port(port: int) -> Finding:
    """Whether a server could listen on the port of the loopback interface."""
    with socket.socket() as probe:
        # As servers do: connections that are still closing do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return Finding("note", f"port {port}", f"{error.strerror}: stop what listens there, or use another port")
    return Finding("ok", f"port {port}", "free")


def check_extras(catalogue: "Catalogue") -> list[Finding]:
    """For each extra of this package, which of the modules that WebRTC or its models need are installed."""
    from importlib.metadata import packages_distributions, version

    from streamsrv.engines.readiness import is_installed

    modules: dict[str, dict[str, None]] = {"webrtc": {"aiortc": None}}
    for entry in catalogue.entries():
        if entry.extra:
            modules.setdefault(entry.extra, {}).update(dict.fromkeys(entry.requires))
    distributions = packages_distributions()
    findings: list[Finding] = []
    for extra, required in modules.items():
        lacking = [module for module in required if not is_installed(module)]
        if lacking:
            detail = f"no {', '.join(lacking)}: pip install 'streamsrv[{extra}]'"
            findings.append(Finding("note", f"extra {extra}", detail))
        else:
            names = [distributions[module][0] for module in required if module in distributions]
            detail = ", ".join(f"{name} {version(name)}" for name in names)
            findings.append(Finding("ok", f"extra {extra}", detail))
    return findings


def check_default_models(catalogue: "Catalogue", store: "ModelStore") -> list[Finding]:
    """Whether each default model can be loaded, and those that a server starts without."""
    from streamsrv.engines.catalogue import DEFAULT_MODELS, OPTIONAL_MODELS
    from streamsrv.engines.readiness import needs

    findings: list[Finding] = []
    for name in (*DEFAULT_MODELS.values(), *OPTIONAL_MODELS.values()):
        lacking = ", ".join(map(str, needs(catalogue[name], store)))
        state = "ok" if not lacking else "failed" if name in DEFAULT_MODELS.values() else "note"
        findings.append(Finding(state, f"model {name}", lacking or "ready"))
    return findings


def check_keys(catalogue: "Catalogue") -> list[Finding]:
    """Which API keys of remote models are set; never their values."""
    variables = dict.fromkeys(entry.key_variable for entry in catalogue.entries() if entry.key_variable)
    return [
        Finding("ok", variable, "set")
        if os.environ.get(variable)
        else Finding("note", variable, "not set (only its own models need it)")
        for variable in variables
    ]


def check_local_servers() -> list[Finding]:
    """Language-model servers that answer on this machine."""
    if find_spec("streamsrv.engines.llm.discovery") is None:
        return []
    discovery = import_module("streamsrv.engines.llm.discovery")
    findings = [
        Finding("ok", "local server", f"{server.kind} at {server.base_url}: {', '.join(server.models)}")
        for server in discovery.find_local_servers()
    ]
    return findings or [Finding("note", "local server", "no language-model server found on this machine")]
