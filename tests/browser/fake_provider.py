"""A fake of a remote language model's server (Chat Completions): answers, refuses, or fails, as the test says."""

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeProvider:
    """`error`: the status and the message of every answer; None: each is `answer`, and `more` once `go_on` is set.

    `requests`: their bodies. `calls`: names and arguments of functions; each answer calls the first one that is left.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.reset()

    def reset(self) -> None:
        self.error: tuple[int, str] | None = None
        self.answer = "Hello there."
        self.more = ""
        self.go_on = threading.Event()
        self.requests: list[dict[str, Any]] = []
        self.calls: list[tuple[str, str]] = []

    @property
    def asked(self) -> list[str]:
        """What was said in the last request, without the system's prompt."""
        said = [message["content"] for message in self.requests[-1]["messages"] if message["role"] != "system"]
        return [each if isinstance(each, str) else each[0]["text"] for each in said]

    def refusal(self) -> tuple[int, bytes] | None:
        if self.error is None:
            return None
        status, message = self.error
        return status, json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode()

    def reply(self) -> Iterator[bytes]:
        more = self.more
        yield _event({"delta": self._delta(), "finish_reason": None})
        if more:
            self.go_on.wait(60)
            yield _event({"delta": {"content": more}, "finish_reason": None})
        yield _event({"delta": {}, "finish_reason": "stop"}) + b"data: [DONE]\n\n"

    def _delta(self) -> dict[str, Any]:
        if not self.calls:
            return {"content": self.answer}
        name, arguments = self.calls.pop(0)
        function = {"name": name, "arguments": arguments}
        return {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}


def _event(choice: dict[str, Any]) -> bytes:
    return f"data: {json.dumps({'choices': [{'index': 0, **choice}]})}\n\n".encode()


@contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, json.dumps({"object": "list", "data": [{"id": "remote", "object": "model"}]}).encode())

        def do_POST(self) -> None:
            provider.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if refusal := provider.refusal():
                self._answer(*refusal)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the reply was interrupted
                for piece in provider.reply():
                    self.wfile.write(piece)

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = FakeProvider(f"http://127.0.0.1:{server.server_port}/v1")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield provider
        server.shutdown()
