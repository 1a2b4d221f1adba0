"""Which chat model is chosen from what is at hand, and which servers are taken for one."""

import json
from typing import Any

import msgspec
import pytest

from streamsrv.engines.catalogue import CatalogueError, ModelEntry, load_catalogue, with_urls
from streamsrv.engines.llm.discovery import LocalServer, choose_chat_model, read_models

CATALOGUE = load_catalogue().entries()
OLLAMA = LocalServer("Ollama", "http://127.0.0.1:11434/v1", ("llama3.2:latest", "qwen3:4b"))
VLLM = LocalServer("vLLM", "http://127.0.0.1:8000/v1", ("meta/llama",))
EMPTY = LocalServer("LM Studio", "http://127.0.0.1:1234/v1", ())


def choose(environ: dict[str, str] | None = None, *servers: LocalServer, setting: str = "") -> ModelEntry:
    return choose_chat_model(CATALOGUE, environ or {}, servers, setting=setting).entry


def model_list(*models: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"object": "list", "data": models, **fields}).encode()


def test_without_anything_it_is_the_embedded_model_and_says_what_to_do():
    choice = choose_chat_model(CATALOGUE, {}, ())
    assert choice.entry.engine == "llamacpp"
    assert "not an assistant" in choice.reason
    assert "OPENAI_API_KEY" in choice.reason


def test_a_setting_wins_over_all():
    keys = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://x/v1"}
    assert choose(keys, OLLAMA, setting="smollm2-135m").name == "smollm2-135m"


@pytest.mark.parametrize("name", ["gpt-9", "hibari"])
def test_a_setting_that_is_no_chat_model(name: str):
    with pytest.raises(CatalogueError, match=r"not a chat model; accepted: .*smollm2-135m"):
        choose(setting=name)


def test_a_model_of_the_catalogue_is_known_by_the_name_that_its_server_has_for_it():
    name = "Qwen/Qwen3-235B-A22B-Thinking-2507"
    entry = choose({"OPENAI_BASE_URL": "http://box:8000/v1", "OPENAI_MODEL": name})
    assert (entry.name, entry.efforts) == ("Qwen-Qwen3-235B-A22B-Thinking-2507", ("high",))
    assert entry.options["starts_thinking"] is True
    assert (entry.options["model"], entry.options["base_url"]) == (name, "http://box:8000/v1")
    assert "served_as" not in entry.options
    assert (entry.key_variable, entry.context_tokens) == ("", 0)


def test_ollama_is_asked_in_its_own_words_for_a_model_of_the_catalogue():
    entry = choose({}, LocalServer("Ollama", OLLAMA.base_url, ("llama4:scout",)))
    assert "sees_images" in entry.abilities
    assert (entry.options["thinking_switch"], entry.options["reasoning_effort"]) == ("effort", "none")


def test_an_address_wins_over_a_key():
    entries = with_urls(load_catalogue(), {"llama-4-scout": "http://gpu-box:8000/v1"}).entries("chat")
    choice = choose_chat_model(entries, {"OPENAI_API_KEY": "k"}, [OLLAMA])
    assert (choice.entry.name, choice.is_configured) == ("llama-4-scout", False)
    assert "http://gpu-box:8000/v1 because chat_urls names it" in choice.reason


def test_the_address_of_a_provider_chooses_nothing():
    entries = with_urls(load_catalogue(), {"gpt-4o-mini": "http://gateway/v1"}).entries("chat")
    assert choose_chat_model(entries, {}, ()).entry.engine == "llamacpp"


@pytest.mark.parametrize(
    ("variables", "chosen"),
    [
        (["ANTHROPIC_API_KEY"], "ANTHROPIC_API_KEY"),
        (["ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY"], "DEEPSEEK_API_KEY"),
        (["DEEPSEEK_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY"], "OPENAI_API_KEY"),
        (["DEEPSEEK_API_KEY", "GEMINI_API_KEY"], "GEMINI_API_KEY"),
        (["DEEPSEEK_API_KEY"], "DEEPSEEK_API_KEY"),
    ],
)
def test_a_key_wins_over_a_local_server(variables: list[str], chosen: str):
    choice = choose_chat_model(CATALOGUE, dict.fromkeys(variables, "secret"), [OLLAMA])
    assert choice.entry.key_variable == chosen
    assert chosen in choice.reason
    assert "secret" not in choice.reason


def test_an_empty_key_is_none():
    assert choose({"OPENAI_API_KEY": ""}).name == "smollm2-135m"


def test_a_base_url_keeps_the_key_from_openai():
    entry = choose({"OPENAI_API_KEY": "k", "GEMINI_API_KEY": "k", "OPENAI_BASE_URL": "http://box:8080/v1"}, OLLAMA)
    assert entry.options == {"base_url": "http://box:8080/v1", "model": ""}
    assert entry.key_variable == "OPENAI_API_KEY"


def test_a_base_url_without_a_key():
    entry = choose({"OPENAI_BASE_URL": "http://box:8080/v1", "OPENAI_MODEL": "qwen/qwen3"}, OLLAMA)
    assert (entry.name, entry.options["model"], entry.key_variable) == ("qwen-qwen3", "qwen/qwen3", "")


def test_the_first_local_server_with_a_model():
    entry = choose({}, EMPTY, OLLAMA, VLLM)
    assert entry.name == "llama3.2-latest"
    assert entry.engine == "openai_compatible"
    assert entry.options["model"] == "llama3.2:latest"
    assert entry.options["base_url"] == OLLAMA.base_url
    assert choose({}, EMPTY).name == "smollm2-135m"


def test_thinking_is_turned_off_where_it_is_known_how():
    assert choose({}, OLLAMA).options["reasoning_effort"] == "none"
    assert "reasoning_effort" not in choose({}, VLLM).options


def test_models_that_cannot_chat_are_left_out():
    answer = model_list({"id": "text-embedding-nomic"}, {"id": "bge-reranker"}, {"id": "qwen3"})
    assert read_models(answer) == ("qwen3",)


def test_our_own_server_is_not_taken_for_a_model():
    assert read_models(model_list({"id": "smollm2-135m", "owned_by": "streamsrv"})) is None
    assert read_models(model_list({"id": "smollm2-135m", "owned_by": "streamsrv"}), owner="vllm") is None


def test_a_shared_port_belongs_to_the_expected_program_only():
    answer = model_list({"id": "m", "owned_by": "vllm", "max_model_len": 4096})
    assert read_models(answer, owner="vllm") == ("m",)
    assert read_models(answer, owner="llamacpp") is None


def test_a_server_without_models():
    assert read_models(model_list(data=None)) == ()


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b'{"object":"list","data":[{"name":"no id"}]}', b""])
def test_another_program(answer: bytes):
    with pytest.raises(msgspec.DecodeError):
        read_models(answer)
