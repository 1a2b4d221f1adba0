"""A fake of the REST APIs of telephone providers: keeps what it is asked, and answers as they do."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any
from urllib.parse import parse_qs

BEGUN = {
    "sid": "CA-out",
    "data": {"call_control_id": "v3:out"},
    "request_uuid": "plivo-out",
    "uuid": "vonage-out",
    "Call": {"Sid": "exotel-out"},
}
"""What each provider says of a call that has begun, in one object."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class FakeProviderApi:
    """`status`, `answer`: of all further requests."""

    url: str = ""
    status: int = 200
    answer: bytes = json.dumps(BEGUN).encode()
    asked: "Queue[Asked]" = field(default_factory=Queue)

    def next(self) -> Asked:
        return self.asked.get(timeout=20)


@contextmanager
def fake_provider_api() -> Generator[FakeProviderApi]:
    fake = FakeProviderApi()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            fake.asked.put(Asked(self.command, self.path, headers, body))
            self.send_response(fake.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(fake.answer)))
            self.end_headers()
            self.wfile.write(fake.answer)

        do_POST = do_PUT = do_DELETE = _take

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)
