"""The browser client: the files of `web/`, as they are. They hold no secret, so they need no key."""

import mimetypes
from pathlib import Path

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamsrv.protocol.session_object import ROOM_NAME

_PACKAGE = Path(__file__).parent.parent
WEB_FOLDER = next((folder for folder in (_PACKAGE / "web", _PACKAGE.parent / "web") if folder.is_dir()), None)
"""Inside an installed package, else beside it in a checkout; None where neither has it."""

FOLDERS = ("lib", "assistant", "captions")
"""What of `WEB_FOLDER` is served."""

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
    # Checked with the server each time (the ETag makes that cheap): a new server never meets an old page.
    "cache-control": "no-cache",
}

# The types of scripts come from tables of the operating system, which may lack them; browsers then refuse the scripts.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")


class RoomConvertor(StringConvertor):
    """The name of a caption room in a path."""

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
    """An application that answers with one file, whatever the path that was asked for."""
    files = StaticFiles(directory=path.parent)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = await files.get_response(path.name, scope)
        await response(scope, receive, send)

    return PageHeaders(answer)


def page_routes() -> list[BaseRoute]:
    """The assistant at `/`, captions at `/captions/`, and what they are made of; none where `web/` is not installed."""
    if WEB_FOLDER is None:
        return []
    files = [
        Mount(f"/{name}", PageHeaders(StaticFiles(directory=WEB_FOLDER / name)))
        for name in FOLDERS
        if (WEB_FOLDER / name).is_dir()
    ]
    return [Route("/", page(WEB_FOLDER / "index.html")), *_caption_pages(WEB_FOLDER / "captions"), *files]


def _caption_pages(folder: Path) -> list[BaseRoute]:
    """Names of files have a dot, names of rooms have none: both can be below `/captions/`."""
    return [
        Route("/captions/", page(folder / "index.html")),
        Route("/captions/{room:room}", page(folder / "viewer.html")),
        Route("/captions/{room:room}/speak", page(folder / "speak.html")),
    ]
