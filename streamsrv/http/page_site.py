"""The pages as browsers get them, kept in memory until a file of `web/` changes."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

from streamsrv.http.page_version import PageVersion
from streamsrv.http.static_content import StaticContent
from streamsrv.http.web_folder import served_files

LOOK_S = 1.0
"""Seconds for which the files are taken to be unchanged."""
MAX_KEPT_DEPTH = 4
"""Folders of an address for which a document is kept; clients can choose longer addresses that do not exist."""

Key = tuple[str, int] | tuple[str, str] | tuple[str]


class PageSite:
    """All that is served of `folder`. What is not there is None."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._signature: object = None
        self._version: PageVersion | None = None
        self._made: dict[Key, StaticContent] = {}
        self._looked_s = -LOOK_S

    async def document(self, path: str, depth: int) -> StaticContent:
        """Return a page for an address that is `depth` folders below the server's root."""
        return await asyncio.to_thread(self._document, path, depth)

    async def file(self, path: str) -> StaticContent | None:
        """Return a file of `web/` as it is."""
        return await asyncio.to_thread(self._file, path)

    async def asset(self, version: str, page: str, path: str) -> StaticContent | None:
        """Return what a page of this version gets under a path; nothing of an older or newer version."""
        return await asyncio.to_thread(self._asset, version, page, path)

    def _document(self, path: str, depth: int) -> StaticContent:
        with self._lock:
            version = self._current()
            if depth > MAX_KEPT_DEPTH:
                return version.document(path, depth)
            return self._keep((path, depth), lambda: version.document(path, depth))

    def _file(self, path: str) -> StaticContent | None:
        with self._lock:
            version = self._current()
            return self._keep_if_there((path,), lambda: version.file(path))

    def _asset(self, name: str, page: str, path: str) -> StaticContent | None:
        with self._lock:
            version = self._current()
            if name != version.name:
                return None
            return self._keep_if_there((page, path), lambda: version.asset(page, path))

    def _current(self) -> PageVersion:
        """Return the version of the files that are there now."""
        now_s = time.monotonic()
        if self._version is not None and now_s < self._looked_s + LOOK_S:
            return self._version
        files = served_files(self._folder)
        stats = [(path, path.stat()) for path in files]
        signature = [(path, stat.st_mtime_ns, stat.st_size) for path, stat in stats]
        if self._version is None or signature != self._signature:
            self._version = PageVersion(self._folder, files)
            self._signature = signature
            self._made.clear()
        self._looked_s = now_s
        return self._version

    def _keep_if_there(self, key: Key, make: Callable[[], StaticContent | None]) -> StaticContent | None:
        """Do as `_keep`; what is not there is not remembered, as clients choose the names."""
        if key in self._made:
            return self._made[key]
        content = make()
        return None if content is None else self._keep(key, lambda: content)

    def _keep(self, key: Key, make: Callable[[], StaticContent]) -> StaticContent:
        """Make something once, and compress it."""
        if key not in self._made:
            content = self._made[key] = make()
            _ = content.compressed
        return self._made[key]
