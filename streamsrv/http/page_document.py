"""Rewrites the documents of `web/`: their scripts and style sheets are asked for under addresses that never change."""

import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass

TO_ROOT = "{to-root}"
"""Stands for the way from the document to the server's root, which depends on the address of the document."""
STYLES = "page.css"
"""Name of a page's style sheets together."""

_COMMENT = re.compile(r"[ \t]*<!--.*?-->\n?", re.DOTALL)
_LINK = re.compile(r"<(?P<tag>link|script|img)\b(?P<attributes>[^>]*)>")
_ADDRESS = re.compile(r'(?P<before>\b(?:href|src)=")(?P<named>[^"]*)"')
_STYLE_LINK = re.compile(r'[ \t]*<link rel="stylesheet" href="(?P<named>[^"]*)" />\n')
_SCRIPT = re.compile(r'<script\b(?P<module>(?=[^>]*\btype="module"))?[^>]*\bsrc="(?P<named>[^"]*)"')
_RELATIVE_ADDRESS = re.compile(r"url\((?!\s*[\"']?(?:data:|#))|@import")
_STYLE_COMMENT = re.compile(r"(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')|/\*.*?\*/", re.DOTALL)


class UnsupportedPage(ValueError):
    """A document or a style sheet is written in a way that cannot be served."""


@dataclass(frozen=True, slots=True)
class PageDocument:
    """A document. `entry`: path of its module, or None; `scripts`: of other scripts; `styles`: of its style sheets.

    `name`: what stands for the page in addresses.
    """

    path: str
    source: str
    depth: int
    entry: str | None
    scripts: tuple[str, ...]
    styles: tuple[str, ...]

    @property
    def name(self) -> str:
        return (self.entry or self.path).rpartition(".")[0].replace("/", "-")

    def rewritten(self, prefix: str, files: Collection[str]) -> str:
        """Return the document with addresses below `prefix`, and `TO_ROOT` before them."""
        text = _COMMENT.sub("", self.source)
        links = [f'    <link rel="stylesheet" href="{TO_ROOT}{prefix}{STYLES}" />\n']
        text = _STYLE_LINK.sub(lambda _: links.pop() if links else "", text)

        def replace(address: re.Match[str]) -> str:
            path = _path(self.path, self.depth, address["named"])
            return f'{address["before"]}{TO_ROOT}{prefix}{path}"' if path in files else address[0]

        return _LINK.sub(lambda tag: _ADDRESS.sub(replace, tag[0]), text)


def read_document(path: str, source: str, depth: int) -> PageDocument:
    """Read a document whose address is `depth` folders below the server's root; raises `UnsupportedPage`."""
    found = [(match["module"] is not None, _path(path, depth, match["named"])) for match in _SCRIPT.finditer(source)]
    entries = [script for is_module, script in found if is_module]
    scripts = tuple(script for is_module, script in found if not is_module)
    if len(entries) > 1:
        raise UnsupportedPage(f"web/{path}: a page has one script of the type module, and this one has {len(entries)}")
    styles = tuple(_path(path, depth, match["named"]) for match in _STYLE_LINK.finditer(source))
    return PageDocument(path, source, depth, entries[0] if entries else None, scripts, styles)


def _path(document: str, depth: int, named: str) -> str:
    """Return the path below `web/` of what a document names.

    The address of a document may have fewer folders than its path (`/playground`), or more (`/captions/{room}/speak`).
    """
    folders = document.split("/")[:-1]
    folders = [*folders, *["_"] * (depth - len(folders))][:depth]
    return posixpath.normpath(posixpath.join(*folders, named))


def style_text(path: str, source: str) -> str:
    """Return a style sheet as a part of another one; raises `UnsupportedPage`."""
    text = _STYLE_COMMENT.sub(lambda found: found["string"] or "", source)
    if found := _RELATIVE_ADDRESS.search(text):
        raise UnsupportedPage(f"web/{path}: a style sheet names no other file: {text[found.start() :][:40]!r}")
    return f"/* {path} */\n{text.strip()}\n"
