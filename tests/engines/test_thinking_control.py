"""What is asked of providers: how much to think, pictures, functions, and the models of one's own servers."""

import contextlib
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from scripted_provider import ScriptedProvider, chunk

from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.llm.base import ChatOptions, Effort, Image, Message, Tool
from streamsrv.engines.loading import LoadContext
from streamsrv.errors import Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler

pytest.importorskip("openai", reason="needs streamsrv[openai]")

from streamsrv.engines.llm.openai_compatible import OpenAICompatibleChatModel, load

CATALOGUE = load_catalogue()
HELLO = [Message("user", "Hello!")]
PICTURE = Image("data:image/png;base64,AAAA", detail="low")
THINKING = ("reasoning_effort", "thinking", "chat_template_kwargs")
"""The fields of requests that say how much to think."""


@pytest.fixture
async def provider() -> AsyncGenerator[ScriptedProvider, None]:
    provider = ScriptedProvider()
    provider.chunks = [chunk({"content": "Hi"}, "stop")]
    async with provider.running():
        yield provider


@contextlib.asynccontextmanager
async def loaded(name: str, provider: ScriptedProvider, **options: Any) -> AsyncGenerator[OpenAICompatibleChatModel]:
    """A model of the catalogue, whose provider is the scripted one; `options` in place of its own."""
    entry, scheduler = CATALOGUE[name], Scheduler(1)
    entry = replace(entry, options={**entry.options, "base_url": provider.base_url, **options})
    model = load(entry, LoadContext(scheduler, {}, None))
    try:
        yield model
    finally:
        await model.aclose()
        scheduler.close()


async def sent(
    name: str,
    provider: ScriptedProvider,
    options: ChatOptions | None = None,
    messages: list[Message] = HELLO,
    tools: list[Tool] = [],  # noqa: B006
) -> dict[str, Any]:
    """The request that a model of the catalogue makes."""
    async with loaded(name, provider, model="m") as model:
        async for _ in model.stream(messages, tools, options or ChatOptions()):
            pass
    return provider.requests[-1]


@pytest.mark.parametrize(
    ("name", "effort", "fields"),
    [
        ("gpt-4o-mini", None, {}),
        ("gpt-4o-mini", "none", {}),
        ("gpt-6-luna", None, {"reasoning_effort": "none"}),
        ("gpt-6-luna", "high", {"reasoning_effort": "high"}),
        ("gemini-2.5-flash", None, {"reasoning_effort": "none"}),
        ("gemini-2.5-flash", "low", {"reasoning_effort": "low"}),
        ("gemini-3.5-flash-lite", None, {}),  # its own is the least
        ("gemini-3.8-flash", None, {"reasoning_effort": "low"}),
        ("gemini-3.8-flash", "high", {"reasoning_effort": "high"}),
        ("deepseek-flash", None, {"thinking": {"type": "disabled"}}),
        ("deepseek-flash", "none", {"thinking": {"type": "disabled"}}),
        ("deepseek-flash", "low", {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
        ("deepseek-flash", "xhigh", {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
        ("deepseek-v3.2", None, {"chat_template_kwargs": {"thinking": False}}),
        ("deepseek-v3.2", "high", {"chat_template_kwargs": {"thinking": True}}),
        ("deepseek-v3.2-thinking", None, {"chat_template_kwargs": {"thinking": True}}),
        ("deepseek-v3.2-thinking", "none", {"chat_template_kwargs": {"thinking": False}}),
        ("llama-4-scout", None, {}),
        ("qwen3-235b-a22b-instruct-2507", "none", {}),
        ("qwen3-235b-a22b-thinking-2507", None, {}),
        ("qwen3-235b-a22b-thinking-2507", "high", {}),
    ],
)
async def test_each_model_is_told_how_much_to_think_as_its_provider_wants_it(
    provider: ScriptedProvider, name: str, effort: Effort | None, fields: dict[str, Any]
):
    request = await sent(name, provider, ChatOptions(reasoning_effort=effort))
    assert {field: request[field] for field in THINKING if field in request} == fields


@pytest.mark.parametrize(
    ("name", "effort", "said"),
    [
        ("gpt-4o-mini", "high", "does not think"),
        ("gemini-3.8-flash", "none", "accepted: low, medium, high"),
        ("gemini-3.8-flash", "minimal", "accepted: low, medium, high"),
        ("qwen3-235b-a22b-thinking-2507", "none", "accepted: high"),
        ("deepseek-flash", "medium", "accepted: none, low, high, xhigh"),
    ],
)
async def test_an_effort_that_a_model_does_not_have_is_refused(
    provider: ScriptedProvider, name: str, effort: Effort, said: str
):
    with pytest.raises(Rejected, match=said) as refused:
        await sent(name, provider, ChatOptions(reasoning_effort=effort))
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "reasoning_effort")
    assert provider.requests == []


async def test_fields_of_the_operator_come_on_top(provider: ScriptedProvider):
    own = {"chat_template_kwargs": {"builtin_tools": ["clock"]}, "top_k": 5}
    async with loaded("deepseek-v3.2", provider, model="m", extra_body=own) as model:
        async for _ in model.stream(HELLO, (), ChatOptions()):
            pass
    request = provider.requests[-1]
    assert request["chat_template_kwargs"] == {"thinking": False, "builtin_tools": ["clock"]}
    assert request["top_k"] == 5


# --- pictures and functions -------------------------------------------------------------------------------------------


async def test_pictures_go_to_a_model_that_sees(provider: ScriptedProvider):
    shown = [Message("user", "What is this?", images=(PICTURE, Image("https://x/y.png"))), Message("user", "Well?")]
    request = await sent("gpt-4o-mini", provider, messages=shown)
    assert request["messages"] == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": PICTURE.url, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
            ],
        },
        {"role": "user", "content": "Well?"},
    ]


async def test_a_picture_without_words_is_a_message(provider: ScriptedProvider):
    request = await sent("llama-4-scout", provider, messages=[Message("user", "", images=(PICTURE,))])
    assert [part["type"] for part in request["messages"][0]["content"]] == ["image_url"]


@pytest.mark.parametrize("name", ["deepseek-v3.2", "qwen3-235b-a22b-thinking-2507"])
async def test_a_model_that_does_not_see_refuses_pictures(provider: ScriptedProvider, name: str):
    earlier = [Message("user", "Look!", images=(PICTURE,)), Message("assistant", "Nice."), Message("user", "Really?")]
    with pytest.raises(Rejected, match=f"{name} cannot see images") as refused:
        await sent(name, provider, messages=earlier)
    assert refused.value.param == "messages"
    assert provider.requests == []


async def test_a_model_of_ones_own_that_states_its_abilities_has_only_these(provider: ScriptedProvider):
    scheduler, tool = Scheduler(1), Tool("get_weather")
    entry = replace(CATALOGUE["gpt-4o-mini"], abilities=("sees_images",))
    entry = replace(entry, options={"model": "m", "base_url": provider.base_url})
    model = load(entry, LoadContext(scheduler, {}, None))
    async for _ in model.stream(HELLO, [tool], ChatOptions()):
        pass
    assert "tools" not in provider.requests[-1]
    with pytest.raises(Rejected, match="cannot call functions"):
        await anext(model.stream(HELLO, [tool], ChatOptions(tool_choice="get_weather")))
    assert load(replace(entry, abilities=()), LoadContext(scheduler, {}, None)).abilities.calls_tools
    await model.aclose()
    scheduler.close()


@pytest.mark.parametrize(("asked", "limit"), [(100, 100), (100_000, 16_384), (None, None)])
async def test_a_provider_is_never_asked_for_more_than_its_model_writes(
    provider: ScriptedProvider, asked: int | None, limit: int | None
):
    assert (await sent("gpt-4o-mini", provider, ChatOptions(max_output_tokens=asked))).get("max_tokens") == limit


# --- models of one's own servers --------------------------------------------------------------------------------------


def listing(*names: str, owner: str = "vllm") -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name, "owned_by": owner} for name in names]}).encode()


@pytest.mark.parametrize(
    ("name", "listed", "found"),
    [
        ("llama-4-scout", ["meta-llama/Llama-4-Scout-17B-16E-Instruct"], "meta-llama/Llama-4-Scout-17B-16E-Instruct"),
        ("llama-4-scout", ["llama3.2:latest", "llama4:scout"], "llama4:scout"),
        ("llama-4-scout", ["whatever"], "whatever"),
        ("deepseek-v3.2", ["deepseek-ai/DeepSeek-V3.1", "deepseek-ai/DeepSeek-V3.2"], "deepseek-ai/DeepSeek-V3.2"),
        ("qwen3-235b-a22b-thinking-2507",
         ["Qwen/Qwen3-235B-A22B-Instruct-2507", "Qwen/Qwen3-235B-A22B-Thinking-2507-FP8"],
         "Qwen/Qwen3-235B-A22B-Thinking-2507-FP8"),
        ("qwen3-235b-a22b-instruct-2507",
         ["qwen3:235b-a22b-thinking-2507-q4_K_M", "qwen3:235b-a22b-instruct-2507-q4_K_M"],
         "qwen3:235b-a22b-instruct-2507-q4_K_M"),
    ],
)  # fmt: skip
async def test_a_server_is_asked_how_it_calls_the_model(
    provider: ScriptedProvider, name: str, listed: list[str], found: str
):
    async with loaded(name, provider) as model:
        provider.chunks, provider.body = None, listing(*listed)
        with contextlib.suppress(Unavailable):  # the list is no answer
            await model.warm_up()
        provider.chunks = [chunk({"content": "Hi"}, "stop")]
        async for _ in model.stream(HELLO, (), ChatOptions()):
            pass
    assert provider.requests[-1]["model"] == found
    assert provider.paths.count("/v1/models") == 1


async def test_a_server_without_the_model_is_named_with_those_it_has(provider: ScriptedProvider):
    provider.chunks, provider.body = None, listing("llama3.2:latest", "mistral:7b", owner="library")
    async with loaded("llama-4-scout", provider) as model:
        with pytest.raises(Unavailable, match=r"not served at http.* has llama3\.2:latest, mistral:7b"):
            await model.warm_up()


async def test_ollama_is_told_in_its_own_words_how_much_to_think(provider: ScriptedProvider):
    async with loaded("deepseek-v3.2", provider) as model:
        provider.chunks, provider.body = None, listing("deepseek-v3.2:671b", owner="library")
        with contextlib.suppress(Unavailable):
            await model.warm_up()
    assert provider.requests[-1]["reasoning_effort"] == "none"
    assert "chat_template_kwargs" not in provider.requests[-1]


async def test_a_server_that_changes_its_model_is_asked_again(provider: ScriptedProvider):
    async with loaded("llama-4-scout", provider) as model:
        provider.chunks, provider.body = None, listing("llama4:scout")
        with contextlib.suppress(Unavailable):
            await model.warm_up()
        provider.status, provider.body = 404, b'{"error": {"message": "no such model"}}'
        with pytest.raises(Unavailable, match="no such model"):
            await anext(model.stream(HELLO, (), ChatOptions()))
        provider.status, provider.body = 200, listing("meta-llama/Llama-4-Scout-17B-16E-Instruct")
        with contextlib.suppress(Unavailable):
            await anext(model.stream(HELLO, (), ChatOptions()))
    assert provider.requests[-1]["model"] == "meta-llama/Llama-4-Scout-17B-16E-Instruct"


async def test_a_server_on_this_machine_is_local(provider: ScriptedProvider):
    async with loaded("llama-4-scout", provider) as model:
        assert model.abilities.is_local
    async with loaded("llama-4-scout", provider, base_url="http://gpu-box:8000/v1") as model:
        assert not model.abilities.is_local
