"""Serves below a path prefix, for a proxy that also serves other applications."""

from starlette.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """ASGI middleware that puts `root_path` before addresses in responses (`Location`, redirects).

    The proxy may strip the prefix from the paths of requests, or keep it.
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
        await self._app(scope, receive, send)
