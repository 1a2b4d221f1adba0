"""The server object of llama.cpp (xllamacpp) inside this process, and what it offers over loopback only."""

import http.client
import json
import secrets
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from streamsrv.engines.llm.chat_chunks import Chunk
from streamsrv.errors import Unavailable

_MIN_REUSED_TOKENS = 8
"""Minimum run of prompt tokens that is shifted and kept when earlier turns leave the context. Reading them again would
take longer."""
_TIMEOUT_S = 60.0
_QUIET = -1


class LlamaCppServer:
    """Serves one model with `slots` conversations of `context_tokens` each, on one thread. All methods block.

    It also listens on a loopback port, which a random key protects. Raises `Unavailable` if the model cannot
    be loaded.
    """

    def __init__(self, name: str, path: Path, *, slots: int, context_tokens: int) -> None:
        xllamacpp: Any = import_module("xllamacpp")
        self._folder = tempfile.TemporaryDirectory(prefix="streamsrv-llamacpp-")
        self._key = secrets.token_urlsafe(32)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = context_tokens * slots
        parameters.n_parallel = slots
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
        parameters.cache_ram_mib = 0  # for requests that name no slot
        parameters.n_cache_reuse = _MIN_REUSED_TOKENS
        parameters.slot_save_path = f"{self._folder.name}/"
        parameters.verbosity = _QUIET
        parameters.ui = False
        parameters.n_threads_http = 1
        parameters.api_keys = [self._key]
        try:
            self._server: Any = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise Unavailable(f"{name} could not be loaded from {path.name}: {error}") from error

    def complete(self, request: dict[str, Any], slot: int, take: Callable[[Chunk], bool]) -> None:
        """Answer a chat completion request on a slot; calls `take` for each chunk and stops when it returns true."""
        self._server.handle_chat_completions(request | {"id_slot": slot}, take)

    def save(self, slot: int, number: int) -> None:
        """Save the state of a slot in a file, under a number. Raises `OSError`."""
        self._slot_action("save", slot, number)

    def restore(self, slot: int, number: int) -> None:
        """Load a saved state into a slot, which is much quicker than reading the prompt again. Raises `OSError`."""
        self._slot_action("restore", slot, number)

    def delete(self, number: int) -> None:
        """Delete a saved state, if it exists."""
        (Path(self._folder.name) / str(number)).unlink(missing_ok=True)

    def close(self) -> None:
        """Free the model; nothing may be running."""
        self._server = None
        self._folder.cleanup()

    def _slot_action(self, action: str, slot: int, number: int) -> None:
        address = urlsplit(str(self._server.listening_address)).netloc
        connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request("POST", f"/slots/{slot}?action={action}", json.dumps({"filename": str(number)}), headers)
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK:
                raise OSError(f"llama.cpp could not {action} slot {slot}: {response.read(500)!r}")
        except http.client.HTTPException as error:
            raise OSError(f"llama.cpp could not {action} slot {slot}: {error!r}") from error
        finally:
            connection.close()
