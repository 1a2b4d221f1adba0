"""The browser client as the server hands it out."""

import tomllib
from collections.abc import Generator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from streamsrv.app import build_app
from streamsrv.engines.absent import AbsentRecognizer, AbsentSynthesizer
from streamsrv.http.pages import FOLDERS
from streamsrv.settings import Settings
from streamsrv.testing.fakes import fake_engines

LOOPBACK = "http://127.0.0.1"


@pytest.fixture
def client() -> Generator[TestClient]:
    with TestClient(build_app(Settings(), fake_engines()), base_url=LOOPBACK) as started:
        yield started


def test_the_assistant_is_at_the_root(client: TestClient) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")


def test_what_browsers_and_crawlers_ask_for_unasked_is_there(client: TestClient) -> None:
    icon = client.get("/favicon.ico")
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/vnd.microsoft.icon")
    assert icon.content[:4] == b"\0\0\1\0"
    robots = client.get("/robots.txt")
    assert robots.headers["content-type"].startswith("text/plain")
    assert robots.text == "User-agent: *\nDisallow: /\n"


def test_scripts_have_the_type_that_browsers_insist_on(client: TestClient) -> None:
    assert client.get("/lib/index.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/", "/lib/index.js"])
def test_pages_load_nothing_from_elsewhere(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/lib/index.js"])
def test_an_unchanged_page_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_pages_need_no_key_but_what_they_call_does() -> None:
    client = TestClient(build_app(Settings(api_keys="secret"), fake_engines()), base_url=LOOPBACK)
    assert client.get("/").status_code == 200
    assert client.get("/v1/streamsrv/capabilities").status_code == 401


def test_only_the_client_is_served(client: TestClient) -> None:
    assert client.get("/package.json").status_code == 404
    assert client.get("/lib/../../pyproject.toml").status_code == 404
    assert client.get("/lib/%2e%2e/%2e%2e/pyproject.toml").status_code == 404


def test_what_is_served_is_in_the_wheel() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    web = {path for path in included if path.startswith("web/")}
    assert {f"web/{name}" for name in (*FOLDERS, "index.html")} == web


def test_capabilities_name_every_stage(client: TestClient) -> None:
    answer = client.get("/v1/streamsrv/capabilities").json()
    assert "websocket" in answer.pop("transports")  # WebRTC too, where its packages are installed
    assert [each["name"] for each in answer.pop("recognizers")] == ["scripted-recognizer"]
    assert answer == {
        "recognizer": "scripted-recognizer",
        "translator": None,
        "synthesizer": {"name": "tone", "voices": ["tone", "bell"], "min_speed": 0.25, "max_speed": 4.0},
        "synthesizers": [{"name": "tone", "languages": [], "voices": ["tone", "bell"]}],
        "chat": {"default": "scripted-model", "models": ["scripted-model"]},
    }


def test_a_stage_that_is_absent_is_null() -> None:
    engines = fake_engines(recognizer=AbsentRecognizer(), synthesizer=AbsentSynthesizer())
    with TestClient(build_app(Settings(), engines), base_url=LOOPBACK) as client:
        answer = client.get("/v1/streamsrv/capabilities").json()
        assert (answer["recognizer"], answer["recognizers"], answer["synthesizer"]) == (None, [], None)
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["scripted-model"]
