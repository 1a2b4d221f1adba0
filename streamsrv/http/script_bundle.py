"""Puts ES modules together in one file: a browser that asks for each of sixty modules waits for the network too often.

Each module is a function that runs once and returns what it exports; `$modules` has the results by path. Files that are
loaded on demand import `$modules` from the file of the page's entry module, so no module runs twice in a page.
"""

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from streamsrv.http.script_module import Names, Place, ScriptModule, UnsupportedModule, read_module
from streamsrv.http.source_map import MappedSource, source_map


@dataclass(frozen=True, slots=True)
class Bundle:
    """`text`: the script; `sources`: what its lines come from."""

    text: str
    sources: tuple[MappedSource, ...]

    @property
    def map(self) -> str:
        return source_map(self.sources)


class ModuleGraph:
    """The modules of `web/`. `files`: what is there, by path; `depth`: of the bundles below the root, in folders."""

    def __init__(self, files: Mapping[str, bytes], depth: int) -> None:
        self._files = files
        self._depth = depth
        self._modules: dict[str, ScriptModule] = {}
        self._scripts: dict[str, dict[str, bool]] = {}

    def bundle(self, path: str, entry: str) -> Bundle:
        """Return what is served as the module `path` to the page whose entry module is `entry`.

        Raises `UnsupportedModule`.
        """
        return _Writer(self, path, entry, self._depth).bundle()

    def module(self, path: str) -> ScriptModule:
        """Return a module; raises `UnsupportedModule`."""
        if path not in self._modules:
            self._modules[path] = read_module(path, self.source(path))
        return self._modules[path]

    def source(self, path: str) -> str:
        return self._files[path].decode()

    def order(self, path: str) -> list[str]:
        """Return the module and what it imports, each after what it needs; raises `UnsupportedModule`."""
        done: dict[str, None] = {}

        def visit(path: str, above: tuple[str, ...]) -> None:
            if path in above:
                circle = " -> ".join((*above[above.index(path) :], path))
                raise UnsupportedModule(f"web/{path}: modules import each other in a circle: {circle}")
            if path in done:
                return
            for needed in self.module(path).needs:
                if needed not in self._files:
                    raise UnsupportedModule(f"web/{path}: it imports web/{needed}, which is not there")
                visit(needed, (*above, path))
            done[path] = None

        visit(path, ())
        return list(done)

    def scripts(self, entry: str) -> dict[str, bool]:
        """Return the scripts that a page with this entry module may ask for; raises `UnsupportedModule`.

        The values: whether it runs outside the page, because a module names its address and does not import it.
        """
        if entry in self._scripts:
            return self._scripts[entry]
        found: dict[str, bool] = {}
        wanted = {entry: False}
        while wanted:
            script, is_outside = wanted.popitem()
            found[script] = is_outside
            for module in map(self.module, self.order(script)):
                named = {place.path: False for place in module.on_demand}
                named |= {place.path: True for place in module.files if place.path.endswith(".js")}
                wanted |= {path: outside for path, outside in named.items() if path not in found}
        self._scripts[entry] = found
        return found


class _Writer:
    """Writes one bundle."""

    def __init__(self, graph: ModuleGraph, path: str, entry: str, depth: int) -> None:
        self._graph = graph
        self._path = path
        self._folder = posixpath.dirname(path)
        self._to_root = "../" * (depth + path.count("/"))
        self._extends = entry if path != entry and not graph.scripts(entry).get(path) else None
        """The entry module, if what it brings along is there already."""

    def bundle(self) -> Bundle:
        present = self._graph.order(self._extends) if self._extends else []
        paths = [path for path in self._graph.order(self._path) if path not in present]
        parts = [
            f'import {{ $modules }} from "{self._relative(self._extends)}";\n'
            if self._extends
            else "const $modules = {};\n"
        ]
        sources: list[MappedSource] = []
        line = 1
        for path in paths:
            source = self._graph.source(path)
            source += "" if source.endswith("\n") else "\n"
            sources.append(MappedSource(self._relative(path), source, line + 1))
            parts.append(self._function(self._graph.module(path)))
            line += parts[-1].count("\n")
        parts.append(self._exports())
        return Bundle("".join(parts), tuple(sources))

    def _function(self, module: ScriptModule) -> str:
        """Return a module as a function: a line before its own lines, and one after."""
        taken = "".join(self._taken(names) for names in module.imports if names.pairs)
        declared = [*module.exports]
        passed_on = [
            f"{json.dumps(here)}: {_of(names.path)}.{there}"
            for names in module.passed_on
            for there, here in names.pairs
        ]
        text = self._with_addresses(module)
        text += "" if text.endswith("\n") else "\n"
        returned = ", ".join([*declared, *passed_on])
        return f"{_of(module.path)} ??= (() => {{{taken}\n{text}return {{ {returned} }};}})();\n"

    def _taken(self, names: Names) -> str:
        pairs = ", ".join(there if there == here else f"{there}: {here}" for there, here in names.pairs)
        return f" const {{ {pairs} }} = {_of(names.path)};"

    def _with_addresses(self, module: ScriptModule) -> str:
        """Return the text of a module; its references to files are seen from the bundle.

        What asks for its own address, to know where the server is, gets that of the module, which has no version.
        """
        replaced: list[tuple[Place, str]] = [
            *((place, f'import("{self._relative(place.path)}")') for place in module.on_demand),
            *((place, f'new URL("{self._relative(place.path)}", import.meta.url)') for place in module.files),
            *((place, f'new URL("{self._to_root}{module.path}", import.meta.url).href') for place in module.own),
        ]
        text = module.text
        for place, reference in sorted(replaced, key=lambda each: each[0].start, reverse=True):
            ends = "\n" * text.count("\n", place.start, place.end)
            text = text[: place.start] + reference + ends + text[place.end :]
        return text

    def _exports(self) -> str:
        """Return the exports of the bundle: those of its module, and for the entry module what others extend."""
        module = self._graph.module(self._path)
        names = [*module.exports, *(here for each in module.passed_on for _, here in each.pairs)]
        taken = ", ".join(f"{name}: $export{number}" for number, name in enumerate(names))
        own = [f"$export{number} as {name}" for number, name in enumerate(names)]
        exported = [*own] if self._extends else ["$modules", *own]
        lines = [f"const {{ {taken} }} = {_of(self._path)};"] if names else []
        lines += [f"export {{ {', '.join(exported)} }};"] if exported else []
        return "".join(f"{line}\n" for line in lines)

    def _relative(self, path: str) -> str:
        relative = posixpath.relpath(path, self._folder or ".")
        return relative if relative.startswith("../") else f"./{relative}"


def _of(path: str) -> str:
    """Return where a module's exports are."""
    return f"$modules[{json.dumps(path)}]"
