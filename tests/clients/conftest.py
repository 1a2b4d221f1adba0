"""Servers for stock clients to talk to: one with fakes for every test, one with real engines for all of them."""

import asyncio
import fcntl
import shutil
import subprocess
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from agents_js import SCRIPTS, Played, play_script
from serving import RunningServer, serving
from streamsrv.engines.startup import load_engines
from streamsrv.errors import EngineError
from streamsrv.settings import Settings
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines


@pytest.fixture
def chat() -> ScriptedChatModel:
    """The language model of `server`, to give answers to and to look into."""
    return ScriptedChatModel()


@pytest.fixture
def first_answer_held(chat: ScriptedChatModel) -> None:
    """The first answer of `chat` never gets to its last word, unless `chat.hold` is set; later ones do."""
    chat.hold = _FirstOnly()


class _FirstOnly(asyncio.Event):
    def __init__(self) -> None:
        super().__init__()
        self._waited_for = False

    async def wait(self) -> Literal[True]:
        if self._waited_for:
            return True
        self._waited_for = True
        return await super().wait()


@pytest.fixture
def server(chat: ScriptedChatModel) -> Generator[RunningServer]:
    """A server whose engines are fakes: whatever is loud is speech, whatever is said is "hello"."""
    with serving(fake_engines(chat)) as running:
        yield running


@pytest.fixture(scope="session")
def real_server() -> Generator[RunningServer]:
    """A server with the embedded engines; skips when their packages or weights are missing."""
    try:
        engines = asyncio.run(load_engines(Settings(chat="smollm2-135m"), print))
    except (EngineError, ImportError) as error:
        pytest.skip(str(error))
    with serving(engines) as running:
        yield running
    asyncio.run(engines.aclose())


@pytest.fixture(scope="session")
def node() -> str:
    """The Node program, with the packages of the scripts installed; skips where that cannot be had."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        pytest.skip("node and npm are not installed")
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    with (SCRIPTS / "package.json").open() as package:
        fcntl.flock(package, fcntl.LOCK_EX)  # another process of pytest may install them, too
        installed = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, timeout=300, check=False)
    if installed.returncode:
        pytest.skip(f"npm could not install the packages of {SCRIPTS.name}: {installed.stderr[-300:]}")
    return program


@pytest.fixture
def play(node: str, tmp_path: Path) -> Callable[..., Played]:
    """Runs a script of `js` in Node, with audio to say."""
    return partial(play_script, node, tmp_path)
