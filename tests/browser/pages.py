"""Pages in a browser that are watched for errors."""

import re
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page


class Pages:
    """Opens pages, and remembers what went wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._allowed: list[re.Pattern[str]] = []
        self._errors: list[str] = []

    def context(self, **options: Any) -> BrowserContext:
        """A browser context (Playwright's options) that may use the microphone unless `permissions` say otherwise."""
        context = self._browser.new_context(**{"permissions": ["microphone"], **options})
        context.set_default_timeout(60_000)
        context.on("page", self._watch)
        self._contexts.append(context)
        return context

    def open(self, url: str, **options: Any) -> Page:
        """A page of its own context, loaded."""
        page = self.context(**options).new_page()
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
        page.on("pageerror", lambda error: self._errors.append(f"uncaught: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._errors.append(f"{message.text} ({message.location.get('url', '')})")
