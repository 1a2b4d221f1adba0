"""Pages in a browser that are watched for errors."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, WebSocket

FOLDER = Path(__file__).parent


class Pages:
    """Opens pages, and remembers what went wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._allowed: list[re.Pattern[str]] = []
        self._errors: list[str] = []
        self.events: list[dict[str, Any]] = []
        """What went over WebSockets, both ways, in order."""

    def context(self, **options: Any) -> BrowserContext:
        """A browser context (Playwright's options) that may use the microphone unless `permissions` say otherwise."""
        context = self._browser.new_context(**{"permissions": ["microphone"], **options})
        context.set_default_timeout(60_000)
        context.on("page", self._watch)
        self._contexts.append(context)
        return context

    def open(self, url: str, *, script: str = "", **options: Any) -> Page:
        """A page of its own context, loaded. `script`: a file beside this one that runs before the page's own."""
        context = self.context(**options)
        if script:
            context.add_init_script(path=FOLDER / script)
        page = context.new_page()
        page.goto(url)
        return page

    def allow(self, pattern: str) -> None:
        """Errors on the console that match are part of this test."""
        self._allowed.append(re.compile(pattern))

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def errors(self) -> list[str]:
        return [error for error in self._errors if not any(pattern.search(error) for pattern in self._allowed)]

    def all(self) -> list[Page]:
        return [page for context in self._contexts for page in context.pages]

    def _watch(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("websocket", self._on_websocket)
        page.on("pageerror", lambda error: self._errors.append(f"uncaught: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _on_websocket(self, socket: WebSocket) -> None:
        for direction in ("framesent", "framereceived"):
            socket.on(direction, lambda frame: self.events.append(json.loads(frame)))


@contextmanager
def unanswered(context: BrowserContext, path: str) -> Iterator[None]:
    """Requests of this path wait while the block runs, as on a network that is slow for so long."""
    waiting = []
    context.route(path, lambda route: waiting.append(route))
    yield
    for route in waiting:
        route.continue_()
    context.unroute(path)


@contextmanager
def unreachable_server(context: BrowserContext) -> Iterator[None]:
    """Requests are refused while the block runs, as where no server listens."""
    context.route("**/*", lambda route: route.abort("connectionrefused"))
    yield
    context.unroute("**/*")
