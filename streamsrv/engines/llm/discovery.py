"""Chooses a language model if none is configured: by a key in the environment, a local server, or the embedded one."""

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from http.client import HTTPException
from typing import Any, Literal
from urllib.request import ProxyHandler, build_opener

import msgspec

from streamsrv.engines.catalogue import DEFAULT_MODELS, CatalogueError, ModelEntry
from streamsrv.engines.readiness.local_models import LocalModels, speed
from streamsrv.web_addresses import without_passwords

KEY_VARIABLES = ("OPENAI_API_KEY", "GEMINI_API_KEY", "DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY")
"""Variables with API keys; the first that is set chooses the model."""

LOCAL_PATIENCE_MS = 15_000
"""Patience with a model on this machine, which may have to read a long conversation on its processor, or to be loaded.
Another model on the same processor would make it slower."""
_MAX_ANSWER_BYTES = 1_000_000
_NOT_FOR_CHAT = re.compile("embed|rerank|whisper|tts", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A language-model server on this machine; `base_url` is the address of its OpenAI-compatible API."""

    kind: str
    base_url: str
    models: tuple[str, ...]
    """The models that can chat, judging by their names, in the server's order."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The chat model to load; `reason` is one sentence for the log at start."""

    entry: ModelEntry
    reason: str
    is_configured: bool = False
    """Whether the operator named this model, so that another one is no substitute at start."""


@dataclass(frozen=True, slots=True)
class KnownServer:
    """A kind of server, and the port on which it usually listens."""

    kind: str
    port: int
    owner: str = ""
    """The `owned_by` that its models must have, if other programs use the same port; empty: any."""


KNOWN_SERVERS = (
    KnownServer("Ollama", 11434),
    KnownServer("LM Studio", 1234),
    KnownServer("llama.cpp", 8080, owner="llamacpp"),
    KnownServer("vLLM", 8000, owner="vllm"),
)


class _Model(msgspec.Struct):
    id: str
    owned_by: str | None = None


class _ModelList(msgspec.Struct):
    """The answer of `GET /v1/models`. Ollama's list is null if it has no model."""

    object: Literal["list"]
    data: list[_Model] | None = None


def find_local_servers(timeout_s: float = 0.3, known: Sequence[KnownServer] = KNOWN_SERVERS) -> list[LocalServer]:
    """Look for `known` servers on loopback, all at once. Blocks for about `timeout_s` at most."""
    with ThreadPoolExecutor(len(known)) as threads:
        found = threads.map(partial(_ask, timeout_s=timeout_s), known)
        return [server for server in found if server is not None]


def choose_chat_model(
    entries: Iterable[ModelEntry],
    environ: Mapping[str, str],
    servers: Sequence[LocalServer],
    *,
    setting: str = "",
    local: LocalModels | None = None,
) -> Choice:
    """Choose the model named by `setting`, or else the best available one. Pure.

    The order: a model of one's own servers with an address in `chat_urls`, a key of `KEY_VARIABLES`, `OPENAI_BASE_URL`
    (with `OPENAI_MODEL`, if that is set), a local server, the best of the `local` models that was pulled, the embedded
    model. If `OPENAI_BASE_URL` is set, `OPENAI_API_KEY` is sent to that server only.
    Raises `CatalogueError` if `setting` is not a chat model.
    """
    known = [entry for entry in entries if entry.kind == "chat"]
    if setting:
        return Choice(_find(known, setting), f"Using {setting} as configured.", is_configured=True)
    for entry in known:
        if entry.needs_url and (url := entry.options.get("base_url")):
            return Choice(entry, f"Using {entry.name} at {url} because chat_urls names it.")
    base_url = environ.get("OPENAI_BASE_URL", "")
    for variable in KEY_VARIABLES:
        if environ.get(variable):
            if base_url and variable == "OPENAI_API_KEY":
                break
            entry = next((entry for entry in known if entry.key_variable == variable), None)
            if entry is not None:
                return Choice(entry, f"Using {entry.name} because {variable} is set.")
    if base_url:
        entry = _remote_entry(environ.get("OPENAI_MODEL", ""), base_url, "OPENAI_API_KEY" in environ, known)
        return Choice(entry, f"Using {entry.name} at {without_passwords(base_url)} because OPENAI_BASE_URL is set.")
    for server in servers:
        if server.models:
            said = f"Using {server.models[0]} of {server.kind} at {server.base_url}."
            return Choice(_local_entry(server, known), said)
    if local is not None and local.pulled is not None:
        estimate = speed(local.pulled, local.machine)
        return Choice(local.pulled, f"Using {local.pulled.name}, the best model that was pulled, at {estimate}.")
    advice = local.advice() if local is not None else ""
    return Choice(
        _find(known, DEFAULT_MODELS["chat"]),
        "Using the embedded SmolLM2-135M: it shows that everything works, but it is not an assistant. "
        f"Set OPENAI_API_KEY or start Ollama for real answers.{f' {advice}' if advice else ''}",
    )


def _find(entries: Sequence[ModelEntry], name: str) -> ModelEntry:
    for entry in entries:
        if entry.name == name:
            return entry
    raise CatalogueError(f"{name!r} is not a chat model; accepted: {', '.join(entry.name for entry in entries)}")


def _local_entry(server: LocalServer, known: Sequence[ModelEntry]) -> ModelEntry:
    options: dict[str, Any] = {"model": server.models[0], "base_url": server.base_url}
    if server.kind == "Ollama":
        options |= {
            "reasoning_effort": "none"
        }  # else Ollama lets thinking models think; it ignores this for other models
        options |= {"thinking_switch": "effort"} if _like(server.models[0], known) else {}
    return replace(_entry(server.models[0], options, known), patience_ms=LOCAL_PATIENCE_MS)


def _remote_entry(model: str, base_url: str, has_key: bool, known: Sequence[ModelEntry]) -> ModelEntry:
    options = {"model": model, "base_url": base_url}
    return _entry(model or "openai-compatible", options, known, "OPENAI_API_KEY" if has_key else "")


def _entry(model: str, options: Mapping[str, Any], known: Sequence[ModelEntry], key_variable: str = "") -> ModelEntry:
    """Return an entry for a model of a server. One of the catalogue by its name has the abilities that it has there.

    How many tokens this server lets it read is not known.
    """
    name = re.sub(r"[^A-Za-z0-9._-]", "-", model)
    if (like := _like(model, known)) is not None:
        own = {option: value for option, value in like.options.items() if option != "served_as"}
        return replace(
            like, name=name, description="", context_tokens=0, key_variable=key_variable, options={**own, **options}
        )
    return ModelEntry(
        name=name,
        kind="chat",
        engine="openai_compatible",
        abilities=("calls_tools",),
        options=options,
        requires=("openai",),
        extra="openai",
        key_variable=key_variable,
    )


def _like(model: str, known: Sequence[ModelEntry]) -> ModelEntry | None:
    """Return the entry for servers of one's own whose model this is, by the server's name of it."""
    patterns = ((entry, pattern) for entry in known for pattern in entry.options.get("served_as", ()))
    return next((entry for entry, pattern in patterns if fnmatchcase(model.lower(), pattern)), None)


def _ask(known: KnownServer, timeout_s: float) -> LocalServer | None:
    """Return the server on the port of `known`; None if there is no server, or another program."""
    base_url = f"http://127.0.0.1:{known.port}/v1"
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"{base_url}/models", timeout=timeout_s) as response:
            models = read_models(response.read(_MAX_ANSWER_BYTES), known.owner)
    except (OSError, HTTPException, msgspec.DecodeError):  # URLError is an OSError
        return None
    return None if models is None else LocalServer(known.kind, base_url, models)


def read_models(answer: bytes, owner: str = "") -> tuple[str, ...] | None:
    """Return the chat models in a list of models; None if the list is not from `owner`, or is from a streamsrv. Pure.

    Raises `msgspec.DecodeError` if `answer` is not a list of models.
    """
    models = msgspec.json.decode(answer, type=_ModelList).data or ()
    owners = {model.owned_by for model in models}
    if "streamsrv" in owners or (owner and owner not in owners):
        return None
    return tuple(model.id for model in models if not _NOT_FOR_CHAT.search(model.id))
