"""Every code block of the documents runs, or says why it does not. CONTRIBUTING.md has the rules ("Documents")."""

import importlib
import itertools
import json
import os
import pkgutil
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
import yaml
from websockets.sync.client import connect

import streamsrv.testing
from blocks import DOCUMENTS, ROOT, Block, all_blocks, blocks_of
from streamsrv.configuration.reading import read_configuration
from streamsrv.engines.catalogue import DEFAULT_MODELS, load_catalogue
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore
from streamsrv.protocol.client_events import ClientEvent

BLOCKS = all_blocks()
ADDRESS = "127.0.0.1:8000"
"""What the documents call the server; tests have it at another port."""

COMMAND = Path(__file__).with_name("streamsrv_command.py")
CLIENT_EVENTS = {struct.__struct_config__.tag for struct in ClientEvent.__args__}
IN_A_BROWSER = {"html"}
"""`tests/browser/test_documented_pages.py` runs these."""


def _ids(blocks: list[Block]) -> list[str]:
    return [f"{block}-{block.language}" for block in blocks]


def _run_blocks(*languages: str) -> pytest.MarkDecorator:
    blocks = [b for b in BLOCKS if b.language in languages and not b.not_run and not b.same_as]
    return pytest.mark.parametrize("block", blocks, ids=_ids(blocks))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of `streamsrv serve` with the embedded models; skips when they are not ready.

    It may connect to the MCP servers of the examples, which do not exist.
    """
    catalogue, store = load_catalogue(), ModelStore()
    for name in DEFAULT_MODELS.values():
        if lacking := needs(catalogue[name], store):
            pytest.skip(f"{name} is not ready: {lacking[0]}")
    log = tmp_path_factory.mktemp("server") / "log"
    command = [sys.executable, "-m", "streamsrv", "serve", "--port", "0", "--chat", "smollm2-135m"]
    command += ["--set", "tool_urls=https://dice.example.org"]
    with log.open("w") as errors:
        process = subprocess.Popen(command, cwd=log.parent, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    address = ""
    for line in process.stdout:
        if found := re.search(r"Listening on http://(\S+)", line):
            address = found[1]
            break
    assert address, f"the server did not start:\n{log.read_text()}"
    yield address
    process.terminate()
    process.wait(30)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    """Runs a command in a folder that has what the documents speak of; fails with its output unless it succeeds."""
    shutil.copy(ROOT / "fixtures/is_the_front_door_locked.flac", tmp_path / "question.flac")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, command in (("streamsrv", f"{sys.executable} {COMMAND}"), ("python", sys.executable)):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def run(block: Block, command: list[str], *, server: str = "") -> None:
        path = os.pathsep.join((str(programs), os.environ["PATH"]))
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "KEY": "any"}
        environment["DOCUMENTS_SERVER"] = f"ws://{server}/v1/realtime"
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        said = f"{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, f"{block} ends with status {done.returncode}:\n{block.text}\n{said}"
        assert "Traceback" not in said, f"{block} prints a traceback:\n{said}"

    return run


@_run_blocks("python")
def test_python_runs_as_a_program(block: Block, run: Callable[..., None], server: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(block.text.replace(ADDRESS, server))
    run(block, [sys.executable, "-W", "error::SyntaxWarning", str(program)])


@_run_blocks("sh")
def test_shell_commands_succeed(block: Block, run: Callable[..., None], server: str) -> None:
    if "curl" in block.text and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    run(block, ["bash", "-euo", "pipefail", "-c", block.text.replace(ADDRESS, server)], server=server)


@_run_blocks("toml")
def test_toml_is_a_valid_streamsrv_toml(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "streamsrv.toml"
    file.write_text(block.text)
    assert not read_configuration(file=file, environ={"KEY": "any"}).warnings


@_run_blocks("json")
def test_json_is_valid_and_events_are_accepted(block: Block, request: pytest.FixtureRequest) -> None:
    value = json.loads(block.text)
    if isinstance(value, dict) and value.get("type") in CLIENT_EVENTS:
        refused = _refusals(request.getfixturevalue("server"), block.text)
        assert not refused, f"the server refuses {block}: {refused}"


def _refusals(server: str, event: str) -> list[str]:
    """The errors with which a session answers an event."""
    with connect(f"ws://{server}/v1/realtime") as session:
        session.send(event)
        session.send('{"type": "input_audio_buffer.clear"}')
        received = iter(lambda: json.loads(session.recv(60)), None)
        answers = list(itertools.takewhile(lambda event: event["type"] != "input_audio_buffer.cleared", received))
    return [answer["error"]["message"] for answer in answers if answer["type"] == "error"]


def test_yaml_can_be_read() -> None:
    for block in BLOCKS:
        if block.language == "yaml":
            assert list(yaml.safe_load_all(block.text)), f"{block} is empty"


def test_a_quoted_file_has_the_same_text() -> None:
    for block in BLOCKS:
        if block.same_as:
            assert block.text in (ROOT / block.same_as).read_text(), f"{block} differs from {block.same_as}"


RUN = {"python", "sh", "toml", "json", "yaml"} | IN_A_BROWSER


@pytest.mark.parametrize("block", BLOCKS, ids=_ids(BLOCKS))
def test_every_block_is_run_or_says_why_not(block: Block) -> None:
    assert block.language, f"{block} has no language: name one after the fence (`text` for what is not code)"
    handled = block.language in RUN or block.language == "text" or block.not_run or block.same_as
    assert handled, (
        f"{block}: nothing runs `{block.language}`. Put a line before the fence: `<!-- not run: the reason -->`, "
        "or `<!-- same as: path/of/the/file -->` if the block quotes a file of this repository."
    )


PAGE = """text

<!-- not run: needs root -->
```sh
mount
```

1. item

   ```python
   if 1:
       x
   ```

<!-- same as: deploy/x.ini -->

```ini
[x]
```

<!-- not run: far away -->

text

```sh
true
```
"""


def test_comments_and_indentation_are_understood(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert list(blocks_of(page)) == [
        Block("page.md", 4, "sh", "mount\n", not_run="needs root"),
        Block("page.md", 10, "python", "if 1:\n    x\n"),
        Block("page.md", 17, "ini", "[x]\n", same_as="deploy/x.ini"),
        Block("page.md", 25, "sh", "true\n"),
    ]


def test_documents_are_found() -> None:
    assert {"README.md", "CONTRIBUTING.md", "docs/testing.md", "web/README.md"} <= {b.document for b in BLOCKS}


def test_a_refused_event_is_noticed(server: str) -> None:
    assert "session.update" in CLIENT_EVENTS
    (refusal,) = _refusals(server, '{"type": "session.update", "session": {"streamsrv": {"captions": "main"}}}')
    assert "captions" in refusal


def test_what_the_page_on_testing_names_can_be_imported() -> None:
    named = set(re.findall(r"`(\w+)(?:\(\w*\))?`", (ROOT / "docs/testing.md").read_text()))
    defined = set()
    for module in pkgutil.iter_modules(streamsrv.testing.__path__, "streamsrv.testing."):
        if not module.name.endswith("__main__"):
            found = vars(importlib.import_module(module.name))
            defined |= {name for name, value in found.items() if getattr(value, "__module__", "") == module.name}
    assert not named & defined - set(streamsrv.testing.__all__)
    assert {"simulate", "ScriptedChatModel", "FaultyChatModel"} <= named & defined


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, heading = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        found = (document.parent / target) if target else document
        assert found.exists(), f"{document.relative_to(ROOT)} links to {target}, which does not exist"
        if heading:
            assert heading in _anchors(found), f"{document.relative_to(ROOT)}: {target} has no heading #{heading}"


def _anchors(document: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
