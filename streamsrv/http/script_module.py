"""Reads one ES module of `web/`, so far that it can be served together with others in one file.

Modules keep to a subset of the language: named imports and exports, and only exports of what does not change.
"""

import posixpath
import re
from dataclasses import dataclass

from streamsrv.http.script_text import UnreadableScript, blank, read_script

_NAMES = r"\{(?P<names>[^{}]*)\}"
_FILE = r'"(?P<file>[^"\n]*)"'
_IMPORT = re.compile(rf"^import\s*(?:{_NAMES}\s*from\s*)?{_FILE};", re.MULTILINE)
_PASS_ON = re.compile(rf"^export\s*{_NAMES}\s*from\s*{_FILE};", re.MULTILINE)
_EXPORT = re.compile(r"^export\s+(?=(?:const|class|function\*?|async\s+function\*?)\s+(?P<name>[\w$]+))", re.MULTILINE)
_ON_DEMAND = re.compile(rf"\bimport\(\s*{_FILE},?\s*\)")
_FILE_ADDRESS = re.compile(r'\bnew URL\(\s*"(?P<file>[^"\n]*[^"/\n])",\s*import\.meta\.url,?\s*\)')
_MODULE_WORD = re.compile(r"(?<![.\w$#])(?:import|export)\b")
_OWN_ADDRESS = re.compile(r"import\.meta\.url\b")
_NAME = re.compile(r"(?P<there>[\w$]+)(?:\s+as\s+(?P<here>[\w$]+))?")

ACCEPTED = (
    'accepted are `import { a, b as c } from "./file.js";`, `export const|class|function|async function`, '
    '`export { a } from "./file.js";`, `import("./file.js")` and `import.meta.url`'
)


class UnsupportedModule(ValueError):
    """A module is written in a way that cannot be served together with others; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the module `path`: pairs of its name for them, and another."""

    path: str
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Characters `start` to `end` of `ScriptModule.text` that refer to the file `path`; empty: to the module itself."""

    start: int
    end: int
    path: str


@dataclass(frozen=True, slots=True)
class ScriptModule:
    """A module. `path`: below `web/`; `text`: its code without imports, comments and `export`, line for line.

    `imports`: its names for what it uses; `exports`: of what it declares; `passed_on`: of what others declare.
    `on_demand`: `import(...)`; `files`: `new URL("./x.css", import.meta.url)`; `own`: any other `import.meta.url`.
    """

    path: str
    text: str
    imports: tuple[Names, ...]
    exports: tuple[str, ...]
    passed_on: tuple[Names, ...]
    on_demand: tuple[Place, ...]
    files: tuple[Place, ...]
    own: tuple[Place, ...]

    @property
    def needs(self) -> list[str]:
        """Return the paths of the modules that must have run before this one, in order."""
        return list(dict.fromkeys(each.path for each in (*self.imports, *self.passed_on)))


def read_module(path: str, source: str) -> ScriptModule:
    """Read a module; raises `UnsupportedModule`."""
    try:
        script = read_script(source)
    except UnreadableScript as error:
        raise _unsupported(path, source, error.at, str(error)) from error
    text = script.text

    def find(pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """Return what matches in code and not in a string; the match has the strings."""
        return [match for place in pattern.finditer(script.code) if (match := pattern.match(text, place.start()))]

    imports, passed_on, exports = find(_IMPORT), find(_PASS_ON), find(_EXPORT)
    on_demand, files = find(_ON_DEMAND), find(_FILE_ADDRESS)
    own = [
        match for match in find(_OWN_ADDRESS) if not any(file.start() < match.start() < file.end() for file in files)
    ]
    understood = [*imports, *passed_on, *exports, *on_demand, *files, *own]
    for word in find(_MODULE_WORD):
        if not any(match.start() <= word.start() < match.end() for match in understood):
            raise _unsupported(path, text, word.start(), f"'{_line(text, word.start())}': {ACCEPTED}")
    return ScriptModule(
        path,
        _erase(text, [*imports, *passed_on, *exports]),
        tuple(Names(_target(path, text, match), _names(path, text, match)) for match in imports),
        tuple(match["name"] for match in exports),
        tuple(Names(_target(path, text, match), _names(path, text, match)) for match in passed_on),
        tuple(Place(*match.span(), _target(path, text, match)) for match in on_demand),
        tuple(Place(*match.span(), _target(path, text, match)) for match in files),
        tuple(Place(*match.span(), "") for match in own),
    )


def _erase(text: str, matches: list[re.Match[str]]) -> str:
    for match in matches:
        text = text[: match.start()] + blank(match[0]) + text[match.end() :]
    return text


def _names(path: str, text: str, match: re.Match[str]) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for written in (match["names"] or "").split(","):
        if not written.strip():
            continue
        name = _NAME.fullmatch(written.strip())
        if name is None or "default" in name.groups():
            raise _unsupported(path, text, match.start(), f"'{written.strip()}': {ACCEPTED}")
        pairs.append((name["there"], name["here"] or name["there"]))
    return tuple(pairs)


def _target(path: str, text: str, match: re.Match[str]) -> str:
    """Return the path below `web/` of the file that a module names."""
    named = match["file"]
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), named))
    if not named.startswith(("./", "../")) or target.startswith(".."):
        raise _unsupported(path, text, match.start(), f'"{named}": accepted are files of web/, as "./file.js"')
    return target


def _line(text: str, at: int) -> str:
    return text[text.rfind("\n", 0, at) + 1 :].partition("\n")[0].strip()


def _unsupported(path: str, text: str, at: int, why: str) -> UnsupportedModule:
    return UnsupportedModule(f"web/{path}:{text.count(chr(10), 0, at) + 1}: {why}")
