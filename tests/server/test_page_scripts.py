"""The modules of the pages, put together for browsers."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from streamsrv.http.page_document import UnsupportedPage, read_document, style_text
from streamsrv.http.page_version import PageVersion
from streamsrv.http.script_bundle import ModuleGraph
from streamsrv.http.script_module import UnsupportedModule, read_module
from streamsrv.http.script_text import read_script
from streamsrv.http.web_folder import DOCUMENTS, served_files

WEB = Path(__file__).parents[2] / "web"
DEPTH = 3


def graph(**modules: str) -> ModuleGraph:
    return ModuleGraph({f"{name}.js": source.encode() for name, source in modules.items()}, DEPTH)


def run(scripts: dict[str, str], folder: Path) -> str:
    """Return what these scripts print; the first one is started."""
    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed")
    for name, text in scripts.items():
        (folder / name).write_text(text)
    (folder / "package.json").write_text('{"type": "module"}')
    done = subprocess.run([node, next(iter(scripts))], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", sorted(p.relative_to(WEB).as_posix() for p in served_files(WEB) if p.suffix == ".js"))
def test_every_module_can_be_served_together_with_others(path: str) -> None:
    read_module(path, (WEB / path).read_text())


@pytest.mark.parametrize("path", DOCUMENTS)
def test_what_a_page_loads_can_be_made_and_run(path: str, tmp_path: Path) -> None:
    version = PageVersion(WEB, served_files(WEB))
    document = read_document(path, (WEB / path).read_text(), DOCUMENTS[path])
    version.document(path, DOCUMENTS[path])
    for style in document.styles:
        style_text(style, (WEB / style).read_text())
    if document.entry is None or (node := shutil.which("node")) is None:
        return
    for number, script in enumerate(sorted(version.scripts(document.name))):
        made = version.asset(document.name, script)
        assert made is not None, script
        (tmp_path / f"{number}.mjs").write_bytes(made.body)
        checked = subprocess.run([node, "--check", f"{number}.mjs"], cwd=tmp_path, capture_output=True, text=True)
        assert checked.returncode == 0, f"{script}: {checked.stderr}"


@pytest.mark.parametrize(
    "source",
    [
        'import * as all from "./b.js";',
        'import one from "./b.js";',
        'import { default as one } from "./b.js";',
        'import { one } from "other";',
        'import { one } from "../../b.js";',
        'export * from "./b.js";',
        "export default 1;",
        "export let count = 0;",
        "export { one };",
        "const one = await import(`./${name}.js`);",
        "if (import.meta.env) start();",
        "const text = `not closed;",
    ],
)
def test_what_cannot_be_served_is_refused_with_its_place(source: str) -> None:
    with pytest.raises(UnsupportedModule, match=r"^web/lib/a\.js:3: "):
        read_module("lib/a.js", f"/* import */\n\n{source}\n")


def test_circles_and_missing_modules_are_refused() -> None:
    with pytest.raises(UnsupportedModule, match=r"in a circle: a\.js -> b\.js -> a\.js"):
        graph(a='import { b } from "./b.js";', b='import { a } from "./a.js";').order("a.js")
    with pytest.raises(UnsupportedModule, match=r"web/a\.js: it imports web/b\.js, which is not there"):
        graph(a='import { b } from "./b.js";').order("a.js")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a // b\nc", "a  \nc"),
        ("a /* b\n */ c", "a \n c"),
        ('"// no" // yes', '"// no"  '),
        ("`// ${`/* ${1} */`} '`", "`// ${`/* ${1} */`} '`"),
        ("x = /[/'\"]\\//.test(y)", "x = /[/'\"]\\//.test(y)"),
        ("x = a / b / 'c'", "x = a / b / 'c'"),
        ("return /'/", "return /'/"),
        ("(a) / 2 // half", "(a) / 2  "),
    ],
)
def test_only_comments_are_taken_away(source: str, text: str) -> None:
    assert read_script(source).text == text


def test_words_in_strings_are_no_imports() -> None:
    module = read_module(
        "a.js", 'const a = "import(\\"./b.js\\")";\nconst b = `\nimport { c } from "./c.js";\nexport`;\n'
    )
    assert (module.needs, module.on_demand) == ([], ())


def test_a_page_has_one_instance_of_a_module(tmp_path: Path) -> None:
    modules = graph(
        main='import { Problem as P, made } from "./index.js";\n'
        'import("./late.js").then(({ late, later }) => console.log(late() instanceof P, made.length, later));\n',
        index='export { Problem } from "./problem.js";\nexport { made } from "./problem.js";\n',
        problem="export const made = [];\nexport class Problem { constructor() { made.push(this); } }\n",
        late='import { Problem } from "./problem.js";\nimport { other } from "./other.js";\n'
        "export const later = other;\nexport function late() { return new Problem(); }\n",
        other='export const other = "once";\nconsole.log("other");\n',
    )
    scripts = {name: modules.bundle(name, "main.js").text for name in ("main.js", "late.js", "problem.js", "other.js")}
    assert run(scripts, tmp_path) == "other\ntrue 1 once\n"
    assert modules.bundle("problem.js", "main.js").text.count("class Problem") == 0
    assert modules.scripts("main.js") == {"main.js": False, "late.js": False}


def test_addresses_are_those_of_the_files() -> None:
    files = {
        "page/main.js": b'import { a } from "../lib/a.js";\n',
        "lib/a.js": b'new URL(\n "./w.js", import.meta.url);\nexport const a = new URL("../", import.meta.url);\n',
        "lib/w.js": b'import { b } from "./b.js";\nrun(b);\n',
        "lib/b.js": b"export const b = 1;\n",
    }
    modules = ModuleGraph(files, DEPTH)
    text = modules.bundle("page/main.js", "page/main.js").text
    assert 'new URL("../lib/w.js", import.meta.url)' in text
    assert 'new URL("../", new URL("../../../../lib/a.js", import.meta.url).href)' in text
    assert "import " not in modules.bundle("lib/w.js", "page/main.js").text, "it runs outside the page"


def test_lines_are_mapped_to_their_files() -> None:
    bundle = graph(a='// first\nimport { b } from "./b.js";\nb();\n', b="export function b() {}\n").bundle(
        "a.js", "a.js"
    )
    found = json.loads(bundle.map)
    assert found["sources"] == ["./b.js", "./a.js"]
    assert found["mappings"] == ";;AAAA;;;ACAA;AACA;AACA"
    lines = bundle.text.splitlines()
    assert lines[2].strip() == "function b() {}"
    assert lines[7].strip() == "b();"


def test_the_place_of_a_document_is_that_of_its_address() -> None:
    source = '<link rel="stylesheet" href="{0}page/a.css" />\n<script src="{0}page/main.js" type="module"></script>\n'
    for depth, to_web in ((0, ""), (1, "../"), (3, "../../../")):
        document = read_document("page/index.html", source.format(to_web), depth)
        assert (document.entry, document.styles) == ("page/main.js", ("page/a.css",))
    with pytest.raises(UnsupportedPage, match="this one has 2"):
        read_document("page/index.html", source.format("") * 2, 0)


def test_a_style_sheet_names_no_file() -> None:
    assert style_text("a.css", 'a { content: "/* */"; } /* no */') == '/* a.css */\na { content: "/* */"; }\n'
    with pytest.raises(UnsupportedPage, match=r"web/a\.css"):
        style_text("a.css", "a { background: url(b.png); }")
