"""One state of the files of `web/`, and all that is made of it for browsers: documents, scripts, style sheets."""

import hashlib
import posixpath
from collections.abc import Iterable
from pathlib import Path

from streamsrv.http.page_document import STYLES, TO_ROOT, read_document, style_text
from streamsrv.http.script_bundle import ModuleGraph
from streamsrv.http.static_content import StaticContent, content_of
from streamsrv.http.web_folder import DOCUMENTS

ASSETS = "assets"
"""The folder of addresses below which nothing ever changes: `/assets/{version}/{page}/{path}`."""
_ASSETS_DEPTH = 3
"""Folders of `/assets/{version}/{page}/`."""
_MAP = ".map"
_MAKERS = ("page_document", "page_version", "script_bundle", "script_module", "script_text", "source_map")
"""The modules that decide what is made of the files."""


class PageVersion:
    """The files of `folder` as they are now. What is made of them is made anew at each call.

    `name`: another one for other files, or for a server that makes something else of them.
    """

    def __init__(self, folder: Path, files: Iterable[Path]) -> None:
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
        self.name = _hash(self.files)
        self._graph = ModuleGraph(self.files, _ASSETS_DEPTH)
        self._documents = {
            path: read_document(path, self.files[path].decode(), depth)
            for path, depth in DOCUMENTS.items()
            if path in self.files
        }
        self._pages = {document.name: document for document in self._documents.values()}

    def document(self, path: str, depth: int) -> StaticContent:
        """Return a document for an address that is `depth` folders below the server's root."""
        document = self._documents[path]
        text = document.rewritten(f"{ASSETS}/{self.name}/{document.name}/", self.files)
        return content_of(path, text.replace(TO_ROOT, "../" * depth or "./").encode())

    def file(self, path: str) -> StaticContent | None:
        """Return a file as it is; None: there is none, or it is a document, which has an address of its own."""
        return content_of(path, self.files[path]) if path in self.files and path not in self._documents else None

    def asset(self, page: str, path: str) -> StaticContent | None:
        """Return what a page gets under a path; None: nothing. Raises `UnsupportedModule` and `UnsupportedPage`."""
        document = self._pages.get(page)
        if document is None:
            return None
        if path == STYLES:
            styles = (style_text(style, self.files[style].decode()) for style in document.styles)
            return content_of(path, "".join(styles).encode())
        script = path.removesuffix(_MAP)
        if document.entry and script in self.scripts(page):
            return content_of(path, self._script(document.entry, script, is_map=path != script).encode())
        return None if path.endswith(".js") and path not in document.scripts else self.file(path)

    def scripts(self, page: str) -> list[str]:
        """Return the paths of the modules that a page may ask for; raises `UnsupportedModule`."""
        document = self._pages.get(page)
        return [] if document is None or document.entry is None else [*self._graph.scripts(document.entry)]

    def _script(self, entry: str, path: str, *, is_map: bool) -> str:
        bundle = self._graph.bundle(path, entry)
        return bundle.map if is_map else f"{bundle.text}//# sourceMappingURL={posixpath.basename(path)}{_MAP}\n"


def _hash(files: dict[str, bytes]) -> str:
    makers = {name: Path(__file__).with_name(f"{name}.py").read_bytes() for name in _MAKERS}
    digest = hashlib.sha256()
    for name, content in (*sorted(files.items()), *makers.items()):
        digest.update(f"{name} {len(content)} ".encode())
        digest.update(content)
    return digest.hexdigest()[:16]
