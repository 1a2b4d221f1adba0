"""The assistant page as its user sees it."""

import re

from playwright.sync_api import Locator, Page, expect

FRONT_DOOR = re.compile(r"\b(is|the|front|door|locked)\b", re.I)
"""`is_the_front_door_locked.flac` was heard. On a busy machine the browser loses some of it, and words are misheard."""


class Assistant:
    """The page, open in a tab."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.talk = page.locator("#talk")
        self.activity = page.locator("#activity")
        self.path = page.locator("#path-summary")
        self.questions = page.locator("#messages li.user .words")
        """What the user said or wrote, as it stands on the screen."""
        self.replies = page.locator("#messages li.assistant .words")

    def start(self) -> None:
        """Press the button and wait until the page listens."""
        self.talk.click()
        expect(self.activity).to_have_text("Listening")

    def write(self, text: str) -> None:
        self.page.get_by_label("Type a message").fill(text)
        self.page.get_by_role("button", name="Send").click()

    def let_the_browser_recognise(self) -> None:
        """Agree to the browser's own recogniser, for which the page asks."""
        self.page.get_by_role("button", name="Use the browser's recognition").click()

    def reply_in_text(self) -> None:
        """In the settings: replies are not spoken."""
        self.page.get_by_role("button", name="Settings").click()
        self.page.get_by_label("Read replies aloud").uncheck()
        self.page.get_by_role("dialog").get_by_role("button", name="Close").click()

    def choose_connection(self, connection: str) -> None:
        """In the settings: `WebRTC`, `WebSocket` or `WebSocket with Opus`, and no other."""
        transport, _, codec = connection.partition(" with ")
        self.page.get_by_role("button", name="Settings").click()
        self.page.get_by_role("dialog").get_by_label("Connection").select_option(f"{transport} only")
        self.page.get_by_label("Audio over WebSocket").select_option("opus" if codec else "pcm")
        self.page.get_by_role("dialog").get_by_role("button", name="Close").click()

    def reasons(self) -> Locator:
        """Opens what the page tells about its path; the reasons why there is no better one."""
        self.page.locator("#path").click()
        return self.page.locator("#path-reasons")

    def expect_path(self, path: str, reason: str) -> None:
        """The page says which path is active, and why there is no better one."""
        expect(self.path).to_have_text(path)
        expect(self.reasons()).to_contain_text(reason)
        self.page.keyboard.press("Escape")

    def notice(self, message: str) -> Locator:
        """The message about something that went wrong, with its buttons."""
        return self.page.locator("#notices .notice").filter(has_text=message)

    def said_of(self, reply: Locator) -> str:
        """The words of a reply that are shown as spoken."""
        return " ".join(reply.locator(".said").all_inner_texts())
