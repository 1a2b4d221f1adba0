"""The command healthcheck: what it asks, prints and returns. The servers here are doubles."""

import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streamsrv.cli import app
from streamsrv.cli.healthcheck import health_url
from streamsrv.settings import Settings


@contextmanager
def answering(status: int, body: bytes) -> Generator[tuple[int, list[str]]]:
    """A double of a server: its port, and the paths that it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, paths
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _a_proxy_that_must_not_be_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")


def healthcheck(monkeypatch: pytest.MonkeyPatch, port: int, **environment: str) -> Result:
    monkeypatch.setenv("STREAMSRV_PORT", str(port))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(app, ["healthcheck"])


def test_a_server_that_works_is_healthy(monkeypatch: pytest.MonkeyPatch):
    with answering(200, b'{"status": "ok"}') as (port, paths):
        result = healthcheck(monkeypatch, port, STREAMSRV_HOST="0.0.0.0", STREAMSRV_API_KEYS="k")
    assert (result.exit_code, result.output, paths) == (0, "ok\n", ["/healthz"])


def test_the_port_of_the_settings_file_is_asked(monkeypatch: pytest.MonkeyPatch):
    with answering(200, b"{}") as (port, paths):
        Path("streamsrv.toml").write_text(f"port = {port}\n")
        result = CliRunner().invoke(app, ["healthcheck"])
    assert (result.exit_code, paths) == (0, ["/healthz"])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (json.dumps({"error": {"message": "A task ended."}}).encode(), "answers 503: A task ended."),
        (b"<html>", "answers 503: not an error of streamsrv"),
        (b"[]", "answers 503: not an error of streamsrv"),
    ],
)
def test_an_unhealthy_server_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch, body: bytes, said: str):
    with answering(503, body) as (port, _):
        result = healthcheck(monkeypatch, port)
    assert result.exit_code == 1
    assert said in result.output


def test_a_server_that_is_down_is_reported(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but it does not listen
        result = healthcheck(monkeypatch, unused.getsockname()[1])
    assert result.exit_code == 1
    assert "/healthz does not answer: " in result.output
    assert "refused" in result.output


def test_a_port_that_is_not_known_cannot_be_asked(monkeypatch: pytest.MonkeyPatch):
    result = healthcheck(monkeypatch, 0)
    assert result.exit_code == 2
    assert "set the port" in result.output


@pytest.mark.parametrize(
    ("host", "asked"),
    [
        ("0.0.0.0", "http://127.0.0.1:80/healthz"),
        ("::", "http://[::1]:80/healthz"),
        ("[::1]", "http://[::1]:80/healthz"),
        ("localhost", "http://localhost:80/healthz"),
        ("192.0.2.1", "http://192.0.2.1:80/healthz"),
    ],
)
def test_a_server_is_asked_at_an_address_of_this_machine(host: str, asked: str):
    assert health_url(Settings(host=host, port=80, api_keys="k")) == asked
