"""The browser client as the server hands it out."""

import re
import shutil
import struct
import tomllib
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from starlette.testclient import TestClient

from streamsrv.app import build_app
from streamsrv.engines.absent import AbsentRecognizer, AbsentSynthesizer
from streamsrv.http.page_version import PageVersion
from streamsrv.http.web_folder import FOLDERS, served_files
from streamsrv.settings import Settings
from streamsrv.testing.fakes import fake_engines

LOOPBACK = "http://127.0.0.1"
WEB = Path(__file__).parents[2] / "web"


def addresses(client: TestClient, page: str) -> list[str]:
    """Return the addresses of what a page loads, as paths of the server."""
    found = re.findall(r'<(?:link|script)\b[^>]*\b(?:href|src)="([^"]*)"', client.get(page).text)
    return [urljoin(page, address) for address in found]


@pytest.fixture
def client() -> Generator[TestClient]:
    with TestClient(build_app(Settings(), fake_engines()), base_url=LOOPBACK) as started:
        yield started


def test_the_assistant_is_at_the_root(client: TestClient) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")


def test_the_playground_is_found_without_a_slash_at_the_end(client: TestClient) -> None:
    response = client.get("/playground")
    assert (response.status_code, response.url.path) == (200, "/playground/")


def test_what_browsers_and_crawlers_ask_for_unasked_is_there(client: TestClient) -> None:
    icon = client.get("/favicon.ico")
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/vnd.microsoft.icon")
    assert icon.content[:4] == b"\0\0\1\0"
    robots = client.get("/robots.txt")
    assert robots.headers["content-type"].startswith("text/plain")
    assert robots.text == "User-agent: *\nDisallow: /\n"


def test_the_assistant_can_be_installed(client: TestClient) -> None:
    address = "/manifest.webmanifest"
    assert address in addresses(client, "/")
    manifest = client.get(address)
    assert manifest.headers["content-type"] == "application/manifest+json"
    assert {icon["purpose"] for icon in manifest.json()["icons"] if "purpose" in icon} == {"maskable"}
    for icon in manifest.json()["icons"]:
        picture = client.get(urljoin(address, icon["src"]))
        width, height = struct.unpack(">II", picture.content[16:24])  # of a PNG
        assert (picture.headers["content-type"], f"{width}x{height}") == ("image/png", icon["sizes"])
    assert client.get(urljoin(address, manifest.json()["start_url"])).status_code == 200


def test_scripts_have_the_type_that_browsers_insist_on(client: TestClient) -> None:
    assert client.get("/lib/index.js").headers["content-type"].startswith("text/javascript")


def test_documents_load_nothing_from_elsewhere(client: TestClient) -> None:
    headers = client.get("/").headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "microphone=(self)" in headers["permissions-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_only_documents_carry_policies(client: TestClient) -> None:
    for address in ("/lib/index.js", *addresses(client, "/")):
        headers = client.get(address).headers
        assert headers["x-content-type-options"] == "nosniff", address
        assert "content-security-policy" not in headers, address


@pytest.mark.parametrize("path", ["/", "/lib/index.js"])
def test_an_unchanged_file_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    again = client.get(path, headers={"if-none-match": f'W/"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip, deflate, br", "gzip"), ("br, *;q=0.1", "gzip"), ("gzip;q=0", None), ("br", None), ("", None)],
)
def test_a_file_is_compressed_for_those_that_accept_it(client: TestClient, accepted: str, coding: str | None) -> None:
    response = client.get("/lib/index.js", headers={"accept-encoding": accepted})
    assert response.headers.get("content-encoding") == coding
    assert response.headers["vary"] == "Accept-Encoding"
    assert response.text == (WEB / "lib" / "index.js").read_text()


def test_what_differs_has_another_tag(client: TestClient) -> None:
    tags = [client.get("/", headers={"accept-encoding": coding}).headers["etag"] for coding in ("gzip", "identity")]
    assert tags[0] != tags[1]


def test_the_head_of_a_file_is_that_of_the_file(client: TestClient) -> None:
    whole, head = client.get("/lib/index.js"), client.head("/lib/index.js")
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert head.content == b""


def test_a_range_gets_the_whole_file(client: TestClient) -> None:
    response = client.get("/lib/index.js", headers={"range": "bytes=0-9"})
    assert (response.status_code, response.text) == (200, (WEB / "lib" / "index.js").read_text())


@pytest.mark.parametrize("path", ["/", "/captions/", "/captions/hall", "/captions/hall/speak"])
def test_a_page_needs_few_requests_whose_answers_are_kept(client: TestClient, path: str) -> None:
    # A browser asks for the manifest after all else.
    found = [address for address in addresses(client, path) if not address.endswith(".webmanifest")]
    assert {".css", ".js"} <= {Path(address).suffix for address in found}
    assert len(found) <= 6
    for address in found:
        response = client.get(address)
        assert response.status_code == 200, address
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_another_version_has_nothing(client: TestClient) -> None:
    script = next(address for address in addresses(client, "/") if address.endswith("main.js"))
    version = script.split("/")[2]
    response = client.get(script.replace(version, "0" * len(version)))
    assert (response.status_code, response.headers["cache-control"]) == (404, "no-store")


def test_a_page_gets_only_what_it_names(client: TestClient) -> None:
    script = next(address for address in addresses(client, "/") if address.endswith("main.js"))
    of_page = script.removesuffix("assistant/main.js")
    assert client.get(f"{of_page}lib/playout-worklet.js").status_code == 200
    assert client.get(f"{script}.map").json()["version"] == 3
    for other in ("captions/viewer.js", "index.html", "lib/nothing.js", "../../../pyproject.toml", "%2e%2e/index.html"):
        assert client.get(of_page + other).status_code == 404, other
    assert client.get(script.replace("assistant-main", "no-page")).status_code == 404


def test_a_changed_file_makes_another_version(tmp_path: Path) -> None:
    web = tmp_path / "web"
    shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("node_modules"))
    before = PageVersion(web, served_files(web))
    path = web / "lib" / "emitter.js"
    path.write_text(path.read_text() + "\n")
    after = PageVersion(web, served_files(web))
    assert before.name != after.name
    assert before.document("index.html", 0).body != after.document("index.html", 0).body


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


@pytest.mark.parametrize("path", ["/captions/hall/", "/captions/hall/speak/"])
def test_a_slash_at_the_end_of_a_pages_address_does_no_harm(client: TestClient, path: str) -> None:
    response = client.get(path, follow_redirects=False)
    assert (response.status_code, urlsplit(response.headers["location"]).path) == (307, path.rstrip("/"))


@pytest.mark.parametrize("path", ["/nothing", "/captions/two words", "/a/b/c/d/e/f/nothing.html"])
def test_a_browser_gets_a_page_for_an_address_without_one(client: TestClient, path: str) -> None:
    response = client.get(path, headers={"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"})
    assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "script-src 'self'" in response.headers["content-security-policy"]
    found = re.findall(r'(?:href|src)="([^"]*)"', response.text)
    assert [urljoin(path, each) for each in found[-2:]] == ["/", "/captions/"]
    assert all(client.get(urljoin(path, each)).status_code == 200 for each in found)


@pytest.mark.parametrize(("path", "accept"), [("/nothing", "*/*"), ("/v1/nothing", "text/html")])
def test_a_program_gets_the_error_as_json(client: TestClient, path: str, accept: str) -> None:
    response = client.get(path, headers={"accept": accept})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


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
        "elsewhere": ["scripted-model"],  # it does not state where it runs
    }


def test_a_stage_that_is_absent_is_null() -> None:
    engines = fake_engines(recognizer=AbsentRecognizer(), synthesizer=AbsentSynthesizer())
    with TestClient(build_app(Settings(), engines), base_url=LOOPBACK) as client:
        answer = client.get("/v1/streamsrv/capabilities").json()
        assert (answer["recognizer"], answer["recognizers"], answer["synthesizer"]) == (None, [], None)
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["scripted-model"]
