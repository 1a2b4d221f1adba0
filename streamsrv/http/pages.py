"""Serves the browser client: the files of `web/`. They contain no secret, so they need no key."""

import mimetypes
from pathlib import Path

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamsrv.protocol.session_object import ROOM_NAME

_PACKAGE = Path(__file__).parent.parent
WEB_FOLDER = next((folder for folder in (_PACKAGE / "web", _PACKAGE.parent / "web") if folder.is_dir()), None)
"""Folder of the pages: in the installed package, or in the checkout; None if neither has it."""

FOLDERS = ("lib", "style", "assistant", "captions")
"""Folders of `WEB_FOLDER` that are served."""

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    ]
)

HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self), display-capture=(self), camera=(), geolocation=()",
    # Browsers revalidate each time (cheap because of the ETag), so that an old page never meets a new server.
    "cache-control": "no-cache",
}

ROBOTS = "User-agent: *\nDisallow: /\n"
"""A voice server has nothing for a search engine."""

# The tables of the operating system may lack the types of scripts, and browsers refuse scripts without their type.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")
mimetypes.add_type("image/vnd.microsoft.icon", ".ico")


class RoomConvertor(StringConvertor):
    """Path convertor for names of caption rooms."""

    regex = ROOM_NAME.strip("^$")


register_url_convertor("room", RoomConvertor())


class PageHeaders:
    """ASGI middleware that adds `HEADERS` to every response of a page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def page(path: Path) -> ASGIApp:
    """Return an application that serves one file for any path."""
    files = StaticFiles(directory=path.parent)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = await files.get_response(path.name, scope)
        await response(scope, receive, send)

    return PageHeaders(answer)


def page_routes() -> list[BaseRoute]:
    """Return the routes of the assistant, the captions and their files; without `web/` there is no page."""
    robots = Route("/robots.txt", PlainTextResponse(ROBOTS))
    if WEB_FOLDER is None:
        return [robots]
    files = [
        Mount(f"/{name}", PageHeaders(StaticFiles(directory=WEB_FOLDER / name)))
        for name in FOLDERS
        if (WEB_FOLDER / name).is_dir()
    ]
    icon = Route("/favicon.ico", page(WEB_FOLDER / "assistant" / "favicon.ico"))
    return [Route("/", page(WEB_FOLDER / "index.html")), icon, robots, *_caption_pages(WEB_FOLDER / "captions"), *files]


def _caption_pages(folder: Path) -> list[BaseRoute]:
    """Return the routes below `/captions/`. File names have a dot and room names do not, so they cannot collide."""
    return [
        Route("/captions/", page(folder / "index.html")),
        Route("/captions/{room:room}", page(folder / "viewer.html")),
        Route("/captions/{room:room}/speak", page(folder / "speak.html")),
    ]
