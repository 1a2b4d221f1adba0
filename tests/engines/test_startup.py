"""Loading what a server needs, from the real catalogue and the weights on this machine."""

import pytest

from streamsrv.engines.catalogue import DEFAULT_MODELS, CatalogueError, load_catalogue
from streamsrv.engines.llm.base import ChatOptions, Message, Text
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.startup import load_engines
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.settings import Settings

QUESTION = [Message("user", "What is the capital of France?")]


@pytest.fixture(autouse=True)
def _default_models(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue, store = load_catalogue(), ModelStore()
    for name in DEFAULT_MODELS.values():
        if lacking := needs(catalogue[name], store):
            pytest.skip(f"{name} is not ready: {lacking[0]}")
    for variable in (
        "OPENAI_API_KEY",
        "GEMINI_API_KEY",
        "DEEPSEEK_API_KEY",
        "ANTHROPIC_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_MODEL",
    ):
        monkeypatch.delenv(variable, raising=False)


async def answer(model) -> str:
    return "".join([d.text async for d in model.stream(QUESTION, (), ChatOptions()) if isinstance(d, Text)])


async def test_a_server_that_is_down_is_replaced_by_the_embedded_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.setenv("OPENAI_MODEL", "some-model")
    said: list[str] = []
    engines = await load_engines(Settings(), said.append)
    try:
        assert engines.chat.name == "some-model"
        assert any("OPENAI_BASE_URL" in line for line in said)
        assert any("does not answer:" in line for line in said)
        assert "sk-none" not in "".join(said)
        assert "Paris" in await answer(engines.chat)
        assert "Paris" in await answer(engines.chat_model("some-model"))
        assert "Paris" in await answer(engines.chat_model("smollm2-135m"))
    finally:
        await engines.aclose()


async def test_a_key_alone_loads_its_model_with_the_embedded_one_behind(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-none")
    monkeypatch.setattr("streamsrv.engines.llm.openai_compatible.OpenAICompatibleChatModel.warm_up", _nothing)
    added = {"name": "mine", "kind": "chat", "engine": "openai_compatible", "requires": ["openai"]}
    added |= {"options": {"model": "m", "base_url": "http://127.0.0.1:9/v1"}}
    engines = await load_engines(Settings(model=(added,)), lambda _: None)
    try:
        assert engines.chat.name == "deepseek-flash"
        assert {"deepseek-flash", "smollm2-135m", "mine"} <= set(engines.chat_by_name)
    finally:
        await engines.aclose()


async def _nothing(*_: object) -> None:
    """The provider is not asked: nothing outside this machine may be reached by a test."""


async def test_a_model_that_lacks_its_key_is_refused_with_the_remedy():
    with pytest.raises(Unavailable, match="OPENAI_API_KEY"):
        await load_engines(Settings(chat="gpt-4o-mini"), lambda _: None)


async def test_an_unknown_model_is_refused():
    with pytest.raises(CatalogueError, match="no-such-model"):
        await load_engines(Settings(recognizer="no-such-model"), lambda _: None)


@pytest.mark.slow
async def test_an_end_of_turn_model_runs_where_its_weights_are():
    if lacking := needs(load_catalogue()["smart-turn"], ModelStore()):
        pytest.skip(f"smart-turn is not ready: {lacking[0]}")
    engines = await load_engines(Settings(chat="smollm2-135m"), lambda _: None)
    try:
        assert engines.turn is not None
        assert engines.turn.name == "smart-turn"
    finally:
        await engines.aclose()


async def test_without_an_end_of_turn_model_the_server_starts_and_says_so(monkeypatch: pytest.MonkeyPatch):
    model = {"name": "out-of-reach", "kind": "turn", "engine": "smart_turn", "requires": ["no_such_module"]}
    monkeypatch.setattr("streamsrv.engines.selection.OPTIONAL_MODELS", {"turn": "out-of-reach"})
    said: list[str] = []
    engines = await load_engines(Settings(chat="smollm2-135m", model=(model,)), said.append)
    try:
        assert engines.turn is None
        assert any("out-of-reach" in line for line in said)
    finally:
        await engines.aclose()


async def test_models_that_have_not_changed_are_not_loaded_again():
    first = await load_engines(
        Settings(
            chat="smollm2-135m", recognizer="none", synthesizer="none", turn="none", turn_words="none", vad="webrtc"
        ),
        lambda _: None,
    )
    said: list[str] = []
    second = await load_engines(
        Settings(chat="smollm2-135m", recognizer="none", synthesizer="none", turn="none", turn_words="none"),
        said.append,
        first,
    )
    try:
        chats = [[held.model for held in each.loaded if held.entries[0].kind == "chat"] for each in (first, second)]
        assert chats[0][0] is chats[1][0]
        assert (second.scheduler, second.voice_activity) == (first.scheduler, first.voice_activity)
        assert (first.vad.name, second.vad.name) == ("webrtc", "silero")
        assert [held.entries[0].name for held in second.loaded if held not in first.loaded] == ["silero"]
        assert not any("smollm2" in line and "ready" in line for line in said)
    finally:
        await second.aclose()


@pytest.mark.slow
async def test_a_remote_chat_model_keeps_the_model_that_judges_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-none")
    monkeypatch.setattr("streamsrv.engines.llm.openai_compatible.OpenAICompatibleChatModel.warm_up", _nothing)
    alone = {"recognizer": "none", "synthesizer": "none", "turn": "none", "chat_fallback": "none"}
    engines = await load_engines(Settings(**alone), lambda _: None)
    try:
        assert engines.turn_words is not None
        assert (await engines.turn_words.ending("What time is it?")).as_recognized > 0.5
        without = await load_engines(Settings(turn_words="none", **alone), lambda _: None, engines)
        assert without.turn_words is None
    finally:
        await engines.aclose()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"turn_words": "smart-turn"}, "turn_words: 'smart-turn' judges sound, so it belongs to turn"),
        ({"turn": "smollm2-words"}, "turn: 'smollm2-words' judges words, so it belongs to turn_words"),
        ({"turn_words": "silero"}, "turn_words: 'silero' is not a turn"),
    ],
)
async def test_an_end_of_turn_model_of_the_wrong_sort_is_refused(settings: dict[str, str], message: str):
    with pytest.raises(CatalogueError, match=message):
        await load_engines(Settings(**settings), lambda _: None)


@pytest.mark.slow
async def test_without_a_model_that_judges_words_the_server_starts_and_says_so(monkeypatch: pytest.MonkeyPatch):
    model = {"name": "out-of-reach", "kind": "turn", "engine": "next_token", "judges": "words"}
    monkeypatch.setattr("streamsrv.engines.selection.OPTIONAL_MODELS", {"turn_words": "out-of-reach"})
    said: list[str] = []
    model |= {"requires": ["no_such_module"], "languages": ["en"], "options": {"end_tokens": ["<end>"]}}
    engines = await load_engines(Settings(chat="smollm2-135m", model=(model,)), said.append)
    try:
        assert engines.turn_words is None
        assert any("the sound alone decides" in line and "out-of-reach" in line for line in said)
    finally:
        await engines.aclose()
