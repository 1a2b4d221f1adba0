"""Serves behind a proxy: below a path prefix, and without knowledge of the host and the port of the proxy."""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RootPath:
    """ASGI middleware that puts `root_path` before addresses in responses (`Location`, redirects).

    The proxy may strip the prefix from the paths of requests, or keep it. Redirects name only the path, because the
    proxy may have another scheme, host or port than the request that it passes on.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._root_path and scope["type"] in ("http", "websocket"):
            path: str = scope["path"]
            if path != self._root_path and not path.startswith(f"{self._root_path}/"):
                path = self._root_path + path
            scope = {**scope, "root_path": self._root_path, "path": path}

        async def send_with_path(message: Message) -> None:
            if message["type"] == "http.response.start" and 300 <= message["status"] < 400:
                headers = MutableHeaders(scope=message)
                if location := headers.get("location"):
                    headers["location"] = urlsplit(location)._replace(scheme="", netloc="").geturl()
            await send(message)

        await self._app(scope, receive, send_with_path)
