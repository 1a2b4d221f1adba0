"""The server object of llama.cpp (xllamacpp) inside this process, and what it offers over loopback only."""

import http.client
import json
import secrets
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from streamsrv.engines.llm.base import Message
from streamsrv.engines.llm.chat_completions.chunks import Chunk
from streamsrv.engines.llm.llama.refusals import engine_error
from streamsrv.engines.llm.llama.saved_states import saved_states
from streamsrv.errors import Unavailable

_MIN_REUSED_TOKENS = 8
"""Minimum run of prompt tokens that is shifted and kept when earlier turns leave the context. Reading them again would
take longer."""
NEXT_TOKENS = 1000
"""How many of the likeliest next tokens are told."""
_TIMEOUT_S = 60.0
_QUIET = -1


class LlamaCppServer:
    """Serves one model with `slots` conversations of `context_tokens` each, on `threads`. All methods block.

    It also listens on a loopback port, which a random key protects. Raises `Unavailable` if the model cannot
    be loaded.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        *,
        slots: int,
        context_tokens: int,
        threads: int = 1,
        min_reused_tokens: int = _MIN_REUSED_TOKENS,
    ) -> None:
        xllamacpp: Any = import_module("xllamacpp")
        try:
            self._states = saved_states()
        except OSError as error:
            raise Unavailable(f"{name} needs a temporary folder: {error}") from error
        self._key = secrets.token_urlsafe(32)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = context_tokens * slots
        parameters.n_parallel = slots
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        parameters.cache_ram_mib = 0  # for requests that name no slot
        parameters.n_cache_reuse = min_reused_tokens
        parameters.slot_save_path = self._states.folder
        parameters.verbosity = _QUIET
        parameters.ui = False
        parameters.n_threads_http = 1
        parameters.api_keys = [self._key]
        try:
            self._server: Any = xllamacpp.Server(parameters)
        except RuntimeError as error:
            self._states.close()
            raise Unavailable(f"{name} could not be loaded from {path.name}: {error}") from error
        # Its thread must run before the object may go: freed earlier, the object would wait for that thread for ever.
        self._request("list its slots", "GET", "/slots")
        properties = self._request("tell its properties", "GET", "/props")
        self.has_tools = bool(properties.get("chat_template_caps", {}).get("supports_tools"))
        """Whether the chat template of the model shows it tools."""

    def complete(self, request: dict[str, Any], slot: int, take: Callable[[Chunk], bool]) -> None:
        """Answer a chat completion request on a slot; calls `take` for each chunk and stops when it returns true."""
        self._server.handle_chat_completions(request | {"id_slot": slot}, take)

    def complete_json(
        self, request: dict[str, Any], schema: dict[str, Any], slot: int, take: Callable[[Chunk], bool]
    ) -> None:
        """Answer a chat completion request with a JSON text of a schema; `take` gets chunks of a text completion.

        A chat completion of llama.cpp takes no schema together with tools, and does not enforce `tool_choice`.
        Raises `OSError`.
        """
        prompt = self._request("write a prompt", "POST", "/apply-template", request)["prompt"]
        fields = {name: value for name, value in request.items() if name not in ("messages", "tools")}
        self._server.handle_completions(
            {**fields, "prompt": prompt, "json_schema": schema, "n_predict": request["max_tokens"], "id_slot": slot},
            take,
        )

    def save(self, slot: int, number: int) -> None:
        """Save the state of a slot in a temporary file, under a number. Raises `OSError`."""
        self._slot_action("save", slot, number)

    def restore(self, slot: int, number: int) -> None:
        """Load a saved state into a slot, which is much quicker than reading the prompt again. Raises `OSError`."""
        self._slot_action("restore", slot, number)

    def delete(self, number: int) -> None:
        """Delete a saved state, if it exists."""
        self._states.delete(number)

    def tokenize(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has. Raises `OSError`."""
        answers = (self._request("count tokens", "POST", "/tokenize", {"content": text}) for text in texts)
        return [len(answer["tokens"]) for answer in answers]

    def token_ids(self, text: str) -> list[int]:
        """Return the tokens of a text, in which special tokens may be written. Raises `OSError`."""
        fields = {"content": text, "add_special": False, "parse_special": True}
        return self._request("find tokens", "POST", "/tokenize", fields)["tokens"]

    def prompt(self, messages: Sequence[Message]) -> str:
        """Return what the model reads of a conversation, as its chat template writes it. Raises `OSError`."""
        request = {"messages": [{"role": message.role, "content": message.content} for message in messages]}
        return self._request("write a prompt", "POST", "/apply-template", request)["prompt"]

    def next_tokens(self, prompt: str, slot: int) -> list[tuple[int, float]]:
        """Return the likeliest next tokens after a prompt, with the natural logarithms of their probabilities.

        None are told if the likeliest is a part of a character. Raises `EngineError`.
        """
        request = {"prompt": prompt, "n_predict": 1, "n_probs": NEXT_TOKENS, "cache_prompt": True, "id_slot": slot}
        answers: list[Any] = []
        self._server.handle_completions(request, answers.append)
        for answer in answers:
            if error := answer.get("error"):
                raise engine_error(error)
            if told := answer["choices"][0].get("logprobs"):
                likeliest: list[Any] = told["content"][0]["top_logprobs"]
                return [(int(token["id"]), float(token["logprob"])) for token in likeliest]
        return []  # it tells nothing of a token that is only a part of a character

    def close(self) -> None:
        """Free the model; nothing may be running."""
        self._server = None
        self._states.close()

    def _slot_action(self, action: str, slot: int, number: int) -> None:
        body = {"filename": self._states.name(number)}
        self._request(f"{action} slot {slot}", "POST", f"/slots/{slot}?action={action}", body)

    def _request(self, what: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request to the loopback port and return the answer.

        Raises `OSError`, which says that llama.cpp could not do `what`.
        """
        address = urlsplit(str(self._server.listening_address)).netloc
        connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK:
                raise OSError(f"llama.cpp could not {what}: {response.read(500)!r}")
            return json.loads(response.read())
        except http.client.HTTPException as error:
            raise OSError(f"llama.cpp could not {what}: {error!r}") from error
        finally:
            connection.close()
