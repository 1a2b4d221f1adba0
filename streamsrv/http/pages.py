"""Serves the browser client: the files of `web/`. They contain no secret, so they need no key.

A document is asked for again each time, which is cheap because of its ETag, so an old page never meets a new server.
All that it loads has the version of the files in its address, and browsers keep it. The addresses without a version are
for pages of other origins.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from streamsrv.http.errors import REFUSED, http_exception
from streamsrv.http.page_site import PageSite
from streamsrv.http.page_version import ASSETS
from streamsrv.http.static_content import respond
from streamsrv.http.web_folder import DOCUMENTS, FOLDERS, WEB_FOLDER
from streamsrv.protocol.session_object import ROOM_NAME

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    ]
)

UNCHANGED = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}
"""Headers of what has no version in its address: browsers ask each time whether it has changed."""
IMMUTABLE = {"x-content-type-options": "nosniff", "cache-control": "public, max-age=31536000, immutable"}
"""Headers of what has a version in its address. Worklets have the policies of the document; there is no worker."""
DOCUMENT = {
    **UNCHANGED,
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self), display-capture=(self), camera=(), geolocation=()",
}
"""Headers of documents."""

ROBOTS = "User-agent: *\nDisallow: /\n"
"""A voice server has nothing for a search engine."""
NOT_FOUND = "assistant/not-found.html"

Endpoint = Callable[[Request], Awaitable[Response]]


class RoomConvertor(StringConvertor):
    """Path convertor for names of caption rooms."""

    regex = ROOM_NAME.strip("^$")


class FileConvertor(StringConvertor):
    """Path convertor for files, whose names have a dot and thus are no names of rooms."""

    regex = r"[^.]*\.[^/]*"


register_url_convertor("room", RoomConvertor())
register_url_convertor("file", FileConvertor())


@cache
def _site(folder: Path) -> PageSite:
    return PageSite(folder)


def page(path: Path) -> Endpoint:
    """Return an endpoint that serves one file of `WEB_FOLDER`, whatever the path of the request."""
    assert WEB_FOLDER is not None
    name = path.relative_to(WEB_FOLDER).as_posix()
    is_document = path.suffix == ".html"
    assert is_document == (name in DOCUMENTS), f"{name} is not in DOCUMENTS"

    async def document(request: Request) -> Response:
        return await _document(request, name)

    async def file(request: Request) -> Response:
        return await _file(request, name)

    return document if is_document else file


def page_routes() -> list[BaseRoute]:
    """Return the routes of the pages and their files; without `web/` there is none."""
    robots = Route("/robots.txt", PlainTextResponse(ROBOTS))
    if WEB_FOLDER is None:
        return [robots]
    return [
        Route("/", page(WEB_FOLDER / "index.html")),
        Route("/favicon.ico", page(WEB_FOLDER / "assistant" / "favicon.ico")),
        Route("/manifest.webmanifest", page(WEB_FOLDER / "assistant" / "manifest.webmanifest")),
        robots,
        *_caption_pages(WEB_FOLDER / "captions"),
        Route("/playground/", page(WEB_FOLDER / "playground" / "index.html")),
        Route(f"/{ASSETS}/{{version}}/{{page}}/{{path:path}}", _asset),
        *(Route(f"/{name}/{{path:file}}", _plain_file(name)) for name in FOLDERS),
    ]


def _caption_pages(folder: Path) -> list[BaseRoute]:
    """Return the routes below `/captions/`."""
    return [
        Route("/captions/", page(folder / "index.html")),
        Route("/captions/{room:room}", page(folder / "viewer.html")),
        Route("/captions/{room:room}/speak", page(folder / "speak.html")),
    ]


async def page_exception(request: Request, exception: Exception) -> Response:
    """Return the error for what Starlette refuses; a browser that goes to an address without a page gets a page."""
    assert isinstance(exception, HTTPException)
    refusal = await http_exception(request, exception)
    path = _path(request)
    if exception.status_code != 404 or path.startswith("/v1/") or WEB_FOLDER is None:
        return refusal
    if request.method not in ("GET", "HEAD") or "text/html" not in request.headers.get("accept", ""):
        return refusal
    request.scope[REFUSED] = refusal.refused
    return await _document(request, NOT_FOUND, status=404)


async def _document(request: Request, name: str, status: int = 200) -> Response:
    assert WEB_FOLDER is not None
    content = await _site(WEB_FOLDER).document(name, _path(request).count("/") - 1)
    return respond(request, content, DOCUMENT, status)


def _path(request: Request) -> str:
    """Return the path of a request below the server's root."""
    scope = request.scope
    return scope["path"].removeprefix(scope.get("app_root_path", scope.get("root_path", "")))


def _plain_file(folder: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await _file(request, f"{folder}/{request.path_params['path']}")

    return endpoint


async def _file(request: Request, name: str) -> Response:
    assert WEB_FOLDER is not None
    content = await _site(WEB_FOLDER).file(name)
    if content is None:
        raise HTTPException(404)
    return respond(request, content, UNCHANGED)


async def _asset(request: Request) -> Response:
    """Answer with an asset of the version that is there now; of another one there is nothing."""
    assert WEB_FOLDER is not None
    content = await _site(WEB_FOLDER).asset(**request.path_params)
    if content is None:
        raise HTTPException(404, headers={"cache-control": "no-store"})
    return respond(request, content, IMMUTABLE)
