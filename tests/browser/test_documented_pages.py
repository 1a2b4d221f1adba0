"""The pages in the documents, pasted into a server of another origin."""

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from blocks import Block, all_blocks
from pages import Pages
from server_process import ServerProcess
from sound_card import SoundCard

Serve = Callable[..., str]
BLOCKS = [block for block in all_blocks() if block.language == "html" and not block.not_run]
ADDRESS = "http://127.0.0.1:8000"
CONNECTED = re.compile(r"^open\b|WebRTC|WebSocket")
"""What the pages log once they are connected."""


HEARD = re.compile("front|door|locked", re.IGNORECASE)
"""Of the recording, words of which one may be misheard."""


class Stranger:
    """A web server with one page, which has nothing to do with streamsrv."""

    def __init__(self) -> None:
        self.page = ""
        stranger = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(f"<!doctype html><link rel=icon href=data:,>{stranger.page}".encode())

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://localhost:{self.server.server_port}"


@pytest.fixture(scope="module")
def stranger() -> Iterator[Stranger]:
    running = Stranger()
    threading.Thread(target=running.server.serve_forever, daemon=True).start()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture(scope="module")
def server(stranger: Stranger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that knows the stranger's origin."""
    process = ServerProcess(tmp_path_factory.mktemp("server"), allowed_origins=stranger.origin)
    process.start()
    yield process
    process.stop()


@pytest.mark.parametrize("block", BLOCKS, ids=map(str, BLOCKS))
def test_a_page_works_where_it_is_pasted(
    block: Block, server: ServerProcess, stranger: Stranger, pages: Pages, sound_card: SoundCard, recordings: Path
) -> None:
    assert ADDRESS in block.text, f"{block} does not say where the server is"
    stranger.page = block.text.replace(ADDRESS, server.url)
    page = pages.open(stranger.origin, script="known_microphone.js")
    with page.expect_console_message(lambda message: CONNECTED.search(message.text) is not None):
        page.get_by_role("button").first.click()
    page.wait_for_function("microphoneOpen")
    with page.expect_console_message(lambda message: HEARD.search(message.text) is not None):
        sound_card.say(recordings / "is_the_front_door_locked.flac")


@pytest.mark.parametrize("block", BLOCKS[:1], ids=map(str, BLOCKS[:1]))
def test_a_page_of_an_unknown_origin_is_refused_by_the_browser(
    block: Block, light_server: Serve, stranger: Stranger, pages: Pages
) -> None:
    stranger.page = block.text.replace(ADDRESS, light_server())
    pages.allow("CORS|ERR_FAILED")
    page = pages.context().new_page()
    with page.expect_console_message(lambda message: "CORS" in message.text):
        page.goto(stranger.origin)
