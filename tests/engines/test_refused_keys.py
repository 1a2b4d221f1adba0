"""A provider that refuses the server's key, at start and later."""

import importlib
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from assemblyai_server import AssemblyAIServer
from scripted_provider import ScriptedProvider, chunk

from streamsrv.engines.llm.base import AnsweredBy, ChatOptions, Message, Text
from streamsrv.engines.startup import load_engines
from streamsrv.errors import Unavailable
from streamsrv.settings import Settings

KEY = "top-secret"


@pytest.fixture
async def provider() -> AsyncGenerator[ScriptedProvider]:
    provider = ScriptedProvider()
    provider.status, provider.body = 401, f'{{"error": {{"message": "Wrong key: {KEY}"}}}}'.encode()
    async with provider.running():
        yield provider


@pytest.fixture
async def backup() -> AsyncGenerator[ScriptedProvider]:
    backup = ScriptedProvider()
    backup.chunks = [chunk({"content": "Hello."}), chunk({}, "stop")]
    async with backup.running():
        yield backup


def model(name: str, provider: ScriptedProvider, key_variable: str = "") -> dict[str, object]:
    options = {"model": "m", "base_url": provider.base_url}
    return {
        "name": name,
        "kind": "chat",
        "engine": "openai_compatible",
        "options": options,
        "key_variable": key_variable,
    }


def settings(*models: dict[str, object], **chosen: str) -> Settings:
    """Settings with nothing but language models that takes time to load."""
    loud = {"name": "loud", "kind": "vad", "engine": "webrtc"}
    stages = {"vad": "loud", "recognizer": "none", "synthesizer": "none", "turn": "none"}
    return Settings.model_validate({**stages, **chosen, "model": [loud, *models]})


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GEMINI_API_KEY", "DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_MODEL", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MINE_KEY", KEY)


async def test_a_named_model_whose_key_is_refused_stops_the_start(provider: ScriptedProvider):
    with pytest.raises(Unavailable) as raised:
        await load_engines(
            settings(model("mine", provider, "MINE_KEY"), chat="mine", chat_fallback="none"), lambda _: None
        )
    assert str(raised.value) == "mine refuses the key in MINE_KEY: Wrong key: ***."


async def test_a_discovered_model_whose_key_is_refused_is_told_and_stood_in_for(
    provider: ScriptedProvider, backup: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    said: list[str] = []
    engines = await load_engines(settings(model("backup", backup), chat_fallback="backup"), said.append)
    try:
        warning = next(line for line in said if line.startswith("WARNING"))
        assert "openai-compatible refuses the key in OPENAI_API_KEY" in warning
        assert "backup answers in its place" in warning
        assert KEY not in "".join(said)
        assert engines.problems == ["openai-compatible refuses its key."]
        deltas = [delta async for delta in engines.chat.stream([Message("user", "Hi")], (), ChatOptions())]
        assert "".join(delta.text for delta in deltas if isinstance(delta, Text)) == "Hello."
        assert [delta.model for delta in deltas if isinstance(delta, AnsweredBy)] == ["backup"]
    finally:
        await engines.aclose()


@pytest.mark.slow
async def test_without_a_stand_in_a_refused_key_stops_the_start(
    provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(Unavailable, match="refuses the key in OPENAI_API_KEY"):
        await load_engines(settings(chat_fallback="none"), lambda _: None)


@pytest.mark.slow
async def test_an_address_that_is_no_provider_is_told_in_one_line(backup: ScriptedProvider):
    said: list[str] = []
    engines = await load_engines(
        settings(model("mine", backup, "MINE_KEY"), chat="mine", chat_fallback="none"), said.append
    )
    await engines.aclose()
    [told] = [line for line in said if line.startswith("mine does not answer")]
    assert f"(is {backup.base_url} its address?): " in told
    assert told.startswith("mine does not answer: mine sent an answer that cannot be read")


@pytest.mark.parametrize("client", ["streamsrv.engines.openai_client", "streamsrv.engines.llm.messages_api.client"])
def test_the_password_of_an_address_is_in_no_error(client: str):
    translated_errors = importlib.import_module(client).translated_errors
    wrong = pytest.raises(Unavailable, match=r"is http://ada:\(hidden\)@127\.0\.0\.1:1/v1 its address")
    with wrong, translated_errors("mine", "http://ada:s3cret@127.0.0.1:1/v1", ""):
        raise ValueError("no answer")


async def test_without_a_stand_in_a_key_that_is_refused_later_is_the_error_of_the_request(backup: ScriptedProvider):
    backup.chunks, backup.body = None, b'{"object": "list", "data": []}'
    engines = await load_engines(
        settings(model("mine", backup, "MINE_KEY"), chat="mine", chat_fallback="none"), lambda _: None
    )
    assert engines.problems == []
    backup.status, backup.body = 403, b'{"error": {"message": "expired"}}'
    try:
        with pytest.raises(Unavailable, match="mine: expired") as raised:
            _ = [delta async for delta in engines.chat.stream([Message("user", "Hi")], (), ChatOptions())]
        assert raised.value.refuses_key
        assert engines.problems == ["mine refuses its key."]
        assert set(engines.chat_by_name) == {"mine"}
    finally:
        await engines.aclose()


@pytest.mark.slow
async def test_a_recogniser_whose_key_is_refused_stops_the_start(backup: ScriptedProvider):
    no_recognizer: Any = None  # the server refuses the key before it needs one
    server = AssemblyAIServer(no_recognizer)
    async with server.running():
        remote = {"name": "remote", "kind": "recognizer", "engine": "assemblyai", "key_variable": "MINE_KEY"}
        chosen = {"chat": "backup", "chat_fallback": "none", "recognizer": "remote"}
        with pytest.raises(Unavailable) as raised:
            await load_engines(
                settings(model("backup", backup), {**remote, "options": {"base_url": server.url}}, **chosen),
                lambda _: None,
            )
    assert str(raised.value) == ("remote refuses the key in MINE_KEY: Unauthorized Connection: Invalid API key.")
