"""`streamsrv doctor`: checks whether a server can start on this machine, and reports what else is there."""

import os
import platform
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamsrv.cli.options import Assignments, ConfigFile, fail, open_configuration

if TYPE_CHECKING:
    from pathlib import Path

    from streamsrv.engines.catalogue import Catalogue, ModelEntry
    from streamsrv.engines.llm.discovery import LocalServer
    from streamsrv.engines.readiness.local_models import LocalModels
    from streamsrv.engines.readiness.machine import Machine
    from streamsrv.engines.selection import Selection
    from streamsrv.engines.weights.store import ModelStore
    from streamsrv.settings import Settings

OTHER_EXTRAS = {
    "webrtc": ("aiortc",),
    "ledger": ("sqlalchemy", "alembic", "aiosqlite", "genai_prices"),
    "postgresql": ("asyncpg",),
    "mcp": ("mcp",),
    "telephony": ("cryptography", "httpx2"),
    "sip": ("baresip",),
}
"""The extras that no model needs, and the modules that they provide."""
MIN_MEMORY_BYTES = 1_000_000_000
"""Memory for the default models, the system and the sessions."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `failed`: the server cannot start; `note`: worth knowing, but no obstacle."""

    state: Literal["ok", "note", "failed"]
    subject: str
    detail: str


def doctor(
    load: Annotated[bool, typer.Option("--load", help="Also load the models and run each of them once.")] = False,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Check whether a server can start on this machine; the exit status is 1 if it cannot."""
    from streamsrv.engines.catalogue import CatalogueError
    from streamsrv.engines.llm.discovery import find_local_servers
    from streamsrv.engines.readiness.local_models import find_local_models
    from streamsrv.engines.readiness.machine import machine
    from streamsrv.engines.selection import only_model, select_models
    from streamsrv.engines.weights.store import ModelStore

    configuration = open_configuration(config, assignments)
    catalogue, settings = configuration.catalogue, configuration.settings
    store = ModelStore(settings.model_folder)
    servers = find_local_servers()
    here = machine()
    local = find_local_models(catalogue, store, here)
    try:
        only = only_model(settings, catalogue)
        selection = select_models(settings, catalogue, os.environ, servers, local)
    except CatalogueError as error:
        fail(str(error))
    findings = [
        *check_machine(here),
        check_model_folder(store),
        *check_voice_folder(settings.voice_folder),
        *([check_port(settings.port)] if settings.port else []),
    ]
    if only is not None:
        findings += check_entries([only], [], catalogue, store)
    else:
        findings += [
            *check_extras(catalogue),
            *check_entries(selection.required, selection.optional, catalogue, store),
            *check_local_models(local, selection),
            *check_keys(catalogue),
            *check_local_servers(servers),
            *check_telephony(settings),
            *check_sip_endpoint(settings),
        ]
    _print(findings)
    trials = check_by_running(settings) if load else []
    if load:
        _print(trials)
    if any(finding.state == "failed" for finding in (*findings, *trials)):
        raise typer.Exit(1)


def _print(findings: "list[Finding]") -> None:
    from rich.console import Console
    from rich.text import Text

    styles = {"ok": "green", "note": "yellow", "failed": "bold red"}
    width = max(len(finding.subject) for finding in findings)
    console = Console(soft_wrap=True, highlight=False)
    for finding in findings:
        state = Text(f"{finding.state:8}", styles[finding.state])
        console.print(state + Text(f"{finding.subject:{width}}  {finding.detail}"))


def check_telephony(settings: "Settings") -> list[Finding]:
    """Report what telephone calls lack; nothing where the settings have none."""
    from streamsrv.transports.telephony.lacking import what_calls_lack

    lacking = what_calls_lack(settings, os.environ)
    ready = [Finding("ok", "telephone", "calls: " + ", ".join(table.name for table in settings.phone_provider))]
    if lacking:
        return [Finding("note", subject, detail) for subject, detail in lacking]
    return ready if settings.phone_provider else []


def check_sip_endpoint(settings: "Settings") -> list[Finding]:
    """Check whether calls over SIP could be taken; nothing is said where the settings have no `[[sip_endpoint]]`."""
    from streamsrv.errors import EngineError
    from streamsrv.transports.telephony.sip.needs import check_sip, check_sip_ports

    if not settings.sip_endpoint:
        return []
    (endpoint,) = settings.sip_endpoint
    try:
        check_sip(endpoint)
    except EngineError as error:
        return [Finding("failed", "SIP", str(error))]
    findings: list[Finding] = []
    try:
        check_sip_ports(endpoint)
    except EngineError as error:
        findings.append(Finding("note", "SIP", str(error)))  # the server may be running
    if not settings.phone_number:
        findings.append(Finding("note", "SIP", "no [[phone_number]] table says who answers"))
    where = f"{endpoint.address} port {endpoint.port} ({', '.join(endpoint.transports)})"
    return findings or [Finding("ok", "SIP", f"calls are taken at {where}")]


def check_machine(here: "Machine") -> list[Finding]:
    """Report the Python version, the cores and the memory."""
    from rich.filesize import decimal

    return [
        Finding("ok", "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("ok", "cores", str(here.cores)),
        Finding("ok" if here.memory >= MIN_MEMORY_BYTES else "note", "memory", decimal(here.memory)),
    ]


def check_model_folder(store: "ModelStore") -> Finding:
    """Check whether weights can be written, and how much space is free."""
    from rich.filesize import decimal

    folders = (store.folder, *store.folder.absolute().parents)
    existing = next(folder for folder in folders if os.path.exists(folder))  # noqa: PTH110  Path's raises
    if existing == store.folder and not existing.is_dir():
        return Finding("failed", "model folder", f"{store.folder} is a file: remove it, or set model_folder")
    detail = f"{store.folder} ({decimal(shutil.disk_usage(existing).free)} free)"
    if not os.access(existing, os.W_OK):
        return Finding("note", "model folder", f"{detail}: not writable, so `streamsrv pull` cannot store weights")
    return Finding("ok", "model folder", detail)


def check_voice_folder(folder: "Path | None") -> list[Finding]:
    """Check whether cloned voices can be stored; nothing is said of a folder that is fine."""
    from streamsrv.voices.library import voice_folder

    place = voice_folder(folder)
    existing = next(each for each in (place, *place.absolute().parents) if os.path.lexists(each))
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    why = "not writable" if existing.is_dir() else f"{existing} is a file"
    return [Finding("note", "voice folder", f"{place}: {why}, so voices cannot be cloned; set voice_folder")]


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

    from streamsrv.engines.readiness.needs import is_installed

    modules = {extra: dict.fromkeys(names) for extra, names in OTHER_EXTRAS.items()}
    for entry in catalogue.entries():
        if entry.extra:
            modules.setdefault(entry.extra, {}).update(dict.fromkeys(entry.requires))
    distributions = packages_distributions()
    broken = _import_problems([name for names in modules.values() for name in names if is_installed(name)])
    findings: list[Finding] = []
    for extra, required in modules.items():
        lacking = [module for module in required if not is_installed(module)]
        problems = [broken[module] for module in required if module in broken]
        if lacking:
            detail = f"missing {', '.join(lacking)}: pip install 'streamsrv[{extra}]'"
            findings.append(Finding("note", f"extra {extra}", detail))
        elif problems:
            findings.append(Finding("note", f"extra {extra}", "; ".join(problems)))
        else:
            names = [distributions[module][0] for module in required if module in distributions]
            detail = ", ".join(f"{name} {version(name)}" for name in names)
            findings.append(Finding("ok", f"extra {extra}", detail))
    return findings


def _import_problems(modules: list[str]) -> dict[str, str]:
    """Import the modules in a helper process; return a line for each that fails, by name."""
    from streamsrv.engines.catalogue import ModelEntry
    from streamsrv.engines.readiness.probe import find_problems

    entries = [ModelEntry(module, "chat", "", requires=(module,)) for module in dict.fromkeys(modules)]
    return {name: problem.removeprefix(f"{name}: ") for name, problem in find_problems(entries).items()}


def check_entries(
    required: "Sequence[ModelEntry]", optional: "Sequence[ModelEntry]", catalogue: "Catalogue", store: "ModelStore"
) -> list[Finding]:
    """Check whether what the models of the settings need is there, and whether their packages can be imported."""
    from streamsrv.engines.readiness.survey import survey

    found = survey([*required, *optional], catalogue, store)
    findings: list[Finding] = []
    for name, needs in found.items():
        is_required = any(entry.name == name for entry in required)
        state = "ok" if not needs else "failed" if is_required else "note"
        lacking = ", ".join(map(str, needs))
        findings.append(Finding(state, f"model {name}", lacking or "has all that it needs (--load runs it)"))
    return findings


def check_local_models(local: "LocalModels", selection: "Selection") -> list[Finding]:
    """Report the best language model that this machine can run itself, and whether the chosen one is too large."""
    from streamsrv.engines.readiness.local_models import MIN_TOKENS_PER_S, command, problems, speed

    chosen, here, best = selection.chat.entry, local.machine, local.advised
    obstacles = problems([*selection.chat_candidates, *selection.ruled_chats], here)
    findings = [Finding("note", "local model", obstacle) for obstacle in obstacles]
    if best is None:
        detail = f"none beyond the embedded one reaches {MIN_TOKENS_PER_S:.0f} tokens/s on this machine"
        return [*findings, Finding("note", "local model", detail)]
    detail = f"{best.name} is the best that this machine can run, at {speed(best, here)}"
    if chosen == best:
        return [*findings, Finding("ok", "local model", f"{detail}; it is chosen")]
    if local.pulled == best:
        return [*findings, Finding("ok", "local model", f"{detail}: streamsrv serve --chat {best.name}")]
    return [*findings, Finding("note", "local model", f"{detail}: {command(best)}")]


def check_by_running(settings: "Settings") -> list[Finding]:
    """Load the models of the settings and run each once."""
    import asyncio

    from streamsrv.cli.trial import try_models

    trials = asyncio.run(try_models(settings))
    return [
        Finding("ok" if trial.worked else "note" if trial.is_note else "failed", trial.subject, trial.detail)
        for trial in trials
    ]


def check_keys(catalogue: "Catalogue") -> list[Finding]:
    """Report which API keys of remote models are set, never their values."""
    variables = dict.fromkeys(entry.key_variable for entry in catalogue.entries() if entry.key_variable)
    return [
        Finding("ok", variable, "set")
        if os.environ.get(variable)
        else Finding("note", variable, "not set (only the models that use it need it)")
        for variable in variables
    ]


def check_local_servers(servers: "Sequence[LocalServer]") -> list[Finding]:
    """Report the language-model servers that answer on this machine."""
    findings = [
        Finding("ok", "local server", f"{server.kind} at {server.base_url}: {', '.join(server.models)}")
        for server in servers
    ]
    return findings or [Finding("note", "local server", "no language-model server found on this machine")]
