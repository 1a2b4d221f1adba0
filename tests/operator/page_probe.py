"""Opens the assistant in Chromium as a user does: writes a message, and prints what happened, as JSON.

Usage: `python page_probe.py URL KEY`. The certificate of the server may be one of tests.
"""

import json
import sys
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

PATIENCE_MS = 60_000
ARGUMENTS = ["--ignore-certificate-errors", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main(url: str, key: str) -> dict[str, Any]:
    """What the page connected to, what the server replied, and what went wrong."""
    problems: list[str] = []
    sockets: list[str] = []
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/lib/chromium/chromium", args=ARGUMENTS)
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.add_init_script(f"sessionStorage.setItem('streamsrv.key', {json.dumps(key)})")
        watch(page, problems, sockets)
        page.goto(url)
        page.get_by_role("button", name="Settings").click()
        page.get_by_role("dialog").get_by_label("Connection").select_option("websocket")
        page.get_by_role("dialog").get_by_role("button", name="Close").click()
        page.get_by_label("Type a message").fill("Hello!")
        page.get_by_role("button", name="Send").click()
        reply = page.locator("#messages li.assistant .words")
        expect(reply).to_contain_text("right")
        said = reply.inner_text()
        browser.close()
    return {"problems": problems, "sockets": sockets, "reply": said}


def watch(page: Page, problems: list[str], sockets: list[str]) -> None:
    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(f"{message.text} ({message.location.get('url')})")

    page.on("console", on_console)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(f"{request.url}: {request.failure}"))
    page.on("websocket", lambda socket: sockets.append(socket.url))


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
