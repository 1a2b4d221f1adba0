"""A fake of a remote language model's server (Chat Completions): answers, refuses, or fails, as the test says."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeProvider:
    """`error`: the status and the message of every answer; None: each answers `answer`. `requests`: their bodies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.reset()

    def reset(self) -> None:
        self.error: tuple[int, str] | None = None
        self.answer = "Hello there."
        self.requests: list[dict[str, Any]] = []

    def reply(self) -> tuple[int, bytes]:
        if self.error is not None:
            status, message = self.error
            return status, json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode()
        delta = {"choices": [{"index": 0, "delta": {"content": self.answer}, "finish_reason": None}]}
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        return 200, b"".join(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in (delta, end)) + b"data: [DONE]\n\n"


@contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, json.dumps({"object": "list", "data": [{"id": "remote", "object": "model"}]}).encode())

        def do_POST(self) -> None:
            provider.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(*provider.reply())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream" if body.startswith(b"data:") else "application/json")
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
