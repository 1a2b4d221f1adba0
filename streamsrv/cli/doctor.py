"""`streamsrv doctor`: checks whether the default models can start on this machine, and reports what else is there."""

import os
import platform
import shutil
import socket
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

import typer

from streamsrv.cli.options import Assignments, ConfigFile, open_configuration

if TYPE_CHECKING:
    from streamsrv.engines.catalogue import Catalogue
    from streamsrv.engines.weights import ModelStore

DEFAULT_PORT = 8000
MIN_MEMORY_BYTES = 1_000_000_000
"""Memory for the default models, the system and the sessions."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `failed`: the default models cannot start; `note`: worth knowing, but no obstacle."""

    state: Literal["ok", "note", "failed"]
    subject: str
    detail: str


def doctor(config: ConfigFile = None, assignments: Assignments = None) -> None:
    """Check this machine; the exit status is 1 if the default models cannot start."""
    from rich.console import Console
    from rich.text import Text

    from streamsrv.engines.weights import ModelStore

    configuration = open_configuration(config, assignments)
    catalogue = configuration.catalogue
    store = ModelStore(configuration.settings.model_folder)
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
    """Report the Python version, the cores and the memory."""
    from rich.filesize import decimal

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return [
        Finding("ok", "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("ok", "cores", str(cores)),
        Finding("ok" if memory >= MIN_MEMORY_BYTES else "note", "memory", decimal(memory)),
    ]


def check_model_folder(store: "ModelStore") -> Finding:
    """Check whether weights can be written, and how much space is free."""
    from rich.filesize import decimal

    existing = next(folder for folder in (store.folder, *store.folder.absolute().parents) if folder.exists())
    detail = f"{store.folder} ({decimal(shutil.disk_usage(existing).free)} free)"
    if not os.access(existing, os.W_OK):
        return Finding("note", "model folder", f"{detail}: not writable, so `streamsrv pull` cannot store weights")
    return Finding("ok", "model folder", detail)


def check_port(port: int) -> Finding:
    """Check whether a server could listen on the port on loopback."""
    with socket.socket() as probe:
        # As the server does, so that connections that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            detail = f"{error.strerror}: stop the program that listens there, or use another port"
            return Finding("note", f"port {port}", detail)
    return Finding("ok", f"port {port}", "free")


def check_extras(catalogue: "Catalogue") -> list[Finding]:
    """Check for each extra of this package whether the modules that it provides are installed."""
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
            detail = f"missing {', '.join(lacking)}: pip install 'streamsrv[{extra}]'"
            findings.append(Finding("note", f"extra {extra}", detail))
        else:
            names = [distributions[module][0] for module in required if module in distributions]
            detail = ", ".join(f"{name} {version(name)}" for name in names)
            findings.append(Finding("ok", f"extra {extra}", detail))
    return findings


def check_default_models(catalogue: "Catalogue", store: "ModelStore") -> list[Finding]:
    """Check whether each default model can be loaded, and each optional one."""
    from streamsrv.engines.catalogue import DEFAULT_MODELS, OPTIONAL_MODELS
    from streamsrv.engines.readiness import needs

    findings: list[Finding] = []
    for name in (*DEFAULT_MODELS.values(), *OPTIONAL_MODELS.values()):
        lacking = ", ".join(map(str, needs(catalogue[name], store)))
        state = "ok" if not lacking else "failed" if name in DEFAULT_MODELS.values() else "note"
        findings.append(Finding(state, f"model {name}", lacking or "ready"))
    return findings


def check_keys(catalogue: "Catalogue") -> list[Finding]:
    """Report which API keys of remote models are set, never their values."""
    variables = dict.fromkeys(entry.key_variable for entry in catalogue.entries() if entry.key_variable)
    return [
        Finding("ok", variable, "set")
        if os.environ.get(variable)
        else Finding("note", variable, "not set (only the models that use it need it)")
        for variable in variables
    ]


def check_local_servers() -> list[Finding]:
    """Report the language-model servers that answer on this machine."""
    if find_spec("streamsrv.engines.llm.discovery") is None:
        return []
    discovery = import_module("streamsrv.engines.llm.discovery")
    findings = [
        Finding("ok", "local server", f"{server.kind} at {server.base_url}: {', '.join(server.models)}")
        for server in discovery.find_local_servers()
    ]
    return findings or [Finding("note", "local server", "no language-model server found on this machine")]
