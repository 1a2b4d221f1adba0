"""Servers for stock clients to talk to: one with fakes for every test, one with real engines for all of them."""

import asyncio
from collections.abc import Generator
from typing import Literal

import pytest

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
