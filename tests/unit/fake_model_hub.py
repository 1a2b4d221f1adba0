"""A fake model hub on loopback, which has one file, and a model whose weights that file is."""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streamsrv.engines.catalogue import ModelEntry, Source, WeightFile
from streamsrv.engines.weights import hub as weights_hub

DATA = bytes(range(256)) * 4096
HUB = Source("hub", "someone/model", "deep/model.bin", "v1")
HUB_PATH = "/someone/model/resolve/v1/deep/model.bin"


def weight(*origins: Source, data: bytes = DATA, name: str = "model.bin") -> WeightFile:
    return WeightFile(name, len(data), hashlib.sha256(data).hexdigest(), origins)


def entry(*files: WeightFile) -> ModelEntry:
    return ModelEntry("tiny", "recognizer", "moonshine", weights=files)


class FakeHub:
    """A model hub with one file, on loopback. `cuts`: the bytes after which each next answer breaks off."""

    def __init__(self) -> None:
        self.data = DATA
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.redirect = ""
        self.honours_range = True
        self.requests: list[tuple[str, str | None, str | None]] = []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        span = request.headers["Range"]
        self.requests.append((request.path, span, request.headers["Authorization"]))
        status = self.statuses.pop(0) if self.statuses else 302 if self.redirect else 200
        body = b"" if status != 200 else self.data
        if status == 200 and span and self.honours_range:
            status, body = 206, body[int(span.removeprefix("bytes=").removesuffix("-")) :]
        request.send_response(status)
        if status == 302:
            request.send_header("Location", self.redirect)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)

    @property
    def spans(self) -> list[str | None]:
        return [span for _, span, _ in self.requests]


@contextlib.contextmanager
def serve(hub: FakeHub) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: the requests are in `hub.requests`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub that this process takes for its own, without pauses before it is asked again."""
    monkeypatch.setattr(weights_hub, "RETRY_PAUSES_S", (0.0, 0.0))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    hub = FakeHub()
    with serve(hub) as address:
        monkeypatch.setenv("STREAMSRV_HUB", address + "/")
        yield hub
