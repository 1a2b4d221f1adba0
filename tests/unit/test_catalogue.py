"""The catalogue: what is shipped, what a settings file may change, and how mistakes are explained."""

import re
import tomllib
from typing import Any

import pytest

from streamsrv.engines.catalogue import DEFAULT_MODELS, CatalogueError, load_catalogue, with_urls

ADDED = """
[[model]]
name = "kitchen"
kind = "chat"
engine = "openai_compatible"
options = { model = "llama", base_url = "http://kitchen:8080/v1" }

[[model.weights]]
name = "extra.bin"
size = 3
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
sources = [{ kind = "hub", name = "someone/model", path = "extra.bin", revision = "v1" }]
"""

NOT_HASHED = ("turn-1-mini",)
"""Models whose hash nobody who could reach the hub has put down yet; `streamsrv pull` checks what the hub states."""


def tables(text: str) -> list[dict[str, Any]]:
    return tomllib.loads(text)["model"]


def test_every_default_model_is_shipped_and_of_its_kind():
    catalogue = load_catalogue()
    assert {kind: catalogue[name].kind for kind, name in DEFAULT_MODELS.items()} == {
        kind: kind for kind in DEFAULT_MODELS
    }


def test_a_user_can_choose_a_shipped_recognizer_by_what_its_entry_states():
    for entry in load_catalogue().entries("recognizer"):
        stated = {"languages": entry.languages, "best_for": entry.best_for, "not_for": entry.not_for}
        assert [name for name, value in stated.items() if not value] == [], entry.name
        assert entry.memory or entry.hardware == "remote", entry.name
        assert entry.licence, entry.name


def test_every_shipped_model_of_a_hub_is_pinned_to_a_commit_and_a_hash():
    for entry in load_catalogue().entries():
        hubs = [(file, source) for file in entry.weights for source in file.sources if source.kind == "hub"]
        unpinned = [source for _, source in hubs if not re.fullmatch("[0-9a-f]{40}", source.revision)]
        assert unpinned == [], entry.name
        if entry.name not in NOT_HASHED:
            assert [file.name for file, _ in hubs if not file.sha256] == [], entry.name


def test_only_models_whose_weights_packages_carry_are_packaged():
    catalogue = load_catalogue()
    assert catalogue["whisper-tiny.en"].is_packaged
    assert not catalogue["whisper-small"].is_packaged
    assert not catalogue["hibari"].is_packaged  # it has none


def test_sources_of_an_entry_are_those_of_its_files_by_their_names():
    added = """
[[model]]
name = "swedish"
kind = "recognizer"
engine = "faster_whisper"
languages = "whisper-v3"
sources = [{ kind = "hub", name = "someone/whisper-sv", revision = "v2" }]
weights = [
  { name = "model.bin", size = 5 },
  { name = "vocabulary.json", size = 5, sources = [{ kind = "hub", name = "someone/else", path = "vocab.json" }] },
]
price = [{ amount = 0.15, currency = "USD", per = "hour", as_of = 2026-11-01 }]
"""
    entry = load_catalogue(tables(added))["swedish"]
    assert [(file.name, source.name, source.path) for file in entry.weights for source in file.sources] == [
        ("model.bin", "someone/whisper-sv", "model.bin"),
        ("vocabulary.json", "someone/else", "vocab.json"),
    ]
    assert {"sv", "en", "yue"} <= set(entry.languages)
    assert entry.size == 10
    assert str(entry.price[0]) == "0.15 USD per hour (2026-11-01)"


def retired(successor: str, name: str = "old", kind: str = "chat") -> str:
    engine = {"chat": "openai_compatible", "vad": "webrtc"}[kind]
    return f'[[model]]\nname = "{name}"\nkind = "{kind}"\nengine = "{engine}"\nsuccessor = "{successor}"\n'


def test_a_retired_model_is_found_as_its_successor():
    catalogue = load_catalogue(tables(retired("gpt-4o-mini")))
    assert catalogue.find("old", "chat") == catalogue["gpt-4o-mini"]
    assert catalogue["old"].successor == "gpt-4o-mini"
    assert "old" not in [entry.name for entry in catalogue.entries("chat")]


@pytest.mark.parametrize("added", [retired("old"), retired("silero"), retired("new"),
                                   retired("older") + retired("gpt-4o-mini", name="older")])  # fmt: skip
def test_a_successor_is_a_model_of_the_same_kind_that_is_not_retired(added: str):
    with pytest.raises(CatalogueError, match=r"'old': successor: .*; accepted: the name of a chat without a successor"):
        load_catalogue(tables(added))


@pytest.mark.parametrize(
    ("name", "successor"),
    [
        ("gemini-1.5-flash", "gemini-3.5-flash-lite"),
        ("gemini-flash", "gemini-3.5-flash-lite"),
        ("deepseek-chat", "deepseek-flash"),
    ],
)
def test_the_names_of_language_models_that_are_turned_off_mean_others(name: str, successor: str):
    assert load_catalogue().find(name, "chat").name == successor


def test_a_user_can_choose_a_shipped_language_model_by_what_its_entry_states():
    for entry in load_catalogue().entries("chat"):
        stated = {"description": entry.description, "best_for": entry.best_for, "not_for": entry.not_for}
        stated |= {"licence": entry.licence}
        if entry.hardware == "remote":
            stated |= {"context_tokens": entry.context_tokens, "strength": entry.strength}
            stated |= {} if entry.needs_url else {"price": entry.price}
        assert [name for name, value in stated.items() if not value] == [], entry.name


def test_an_address_is_given_to_a_language_model_by_name():
    catalogue = with_urls(load_catalogue(), {"llama-4-scout": "http://box/v1", "gemini-1.5-flash": "http://gate/v1"})
    assert catalogue["llama-4-scout"].options["base_url"] == "http://box/v1"
    assert catalogue["llama-4-scout"].options["served_as"]
    assert catalogue["gemini-3.5-flash-lite"].options["base_url"] == "http://gate/v1"
    assert list(catalogue) == list(load_catalogue())


@pytest.mark.parametrize(
    ("name", "why"), [("smollm2-135m", "has no address"), ("silero", "not a chat"), ("llama-4", "did you mean llama")]
)
def test_an_address_is_only_for_a_language_model_of_another_machine(name: str, why: str):
    with pytest.raises(CatalogueError, match=why):
        with_urls(load_catalogue(), {name: "http://box/v1"})


def test_every_shipped_weight_file_has_a_source():
    without = [file.name for entry in load_catalogue().entries() for file in entry.weights if not file.sources]
    assert without == []


def test_entries_of_a_kind_are_only_those():
    catalogue = load_catalogue()
    assert [entry.name for entry in catalogue.entries("vad")] == ["silero", "webrtc"]
    assert catalogue.entries() == [entry for entry in catalogue.values() if not entry.successor]


def test_a_new_name_adds_a_model():
    catalogue = load_catalogue(tables(ADDED))
    assert list(catalogue) == [*load_catalogue(), "kitchen"]
    assert catalogue["kitchen"].options["base_url"] == "http://kitchen:8080/v1"
    assert catalogue["kitchen"].weights[0].sources[0].revision == "v1"


def test_a_known_name_changes_only_what_it_states():
    shipped = load_catalogue()["smollm2-135m"]
    changed = load_catalogue(tables('[[model]]\nname = "smollm2-135m"\noptions = { temperature = 0.9 }\n'))[
        "smollm2-135m"
    ]
    assert changed.options == {**shipped.options, "temperature": 0.9}
    assert changed.weights == shipped.weights


def test_another_engine_makes_the_table_stand_on_its_own():
    added = tables(
        '[[model]]\nname = "smollm2-135m"\nkind = "chat"\nengine = "openai_compatible"\noptions = { model = "x" }\n'
    )
    changed = load_catalogue(added)["smollm2-135m"]
    assert changed.options == {"model": "x"}
    assert changed.weights == ()


MODEL = '[[model]]\nname = "m"\nkind = "chat"\nengine = "e"\n'
WEIGHT = f'{MODEL}[[model.weights]]\nname = "w"\nsize = 1\nsha256 = "{"0" * 64}"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[[model]]\nkind = "chat"', ["number 1", "name: None", "a string"]),
        (MODEL + MODEL, ["number 2", "'m' is used twice"]),
        (
            MODEL.replace("chat", "llm"),
            ["model 'm'", "kind: 'llm'; accepted: recognizer, chat, synthesizer, vad or turn"],
        ),
        ('[[model]]\nname = "m"\nkind = "chat"', ["model 'm'", "engine: is missing"]),
        (MODEL + 'colour = "red"', ["colour: is not a field", "accepted: name, kind, engine"]),
        (MODEL.replace('"m"', '"../m"'), ["name: '../m'; accepted: letters, digits"]),
        (WEIGHT.replace("size = 1", "size = 0"), ["weights.0.size: 0; accepted: a number above 0"]),
        (WEIGHT.replace("0" * 64, "abc"), ["weights.0.sha256: 'abc'; accepted: 64 lower-case hexadecimal"]),
        (WEIGHT + 'folder = "a/../b"\n', ["weights.0.folder: 'a/../b'; accepted: letters, digits"]),
        (WEIGHT + 'folder = "/a"\n', ["weights.0.folder: '/a'; accepted: letters, digits"]),
        (WEIGHT.replace('"w"', '"a/w"'), ["weights.0.name: 'a/w'; accepted: letters, digits"]),
        (
            WEIGHT.replace(f'sha256 = "{"0" * 64}"', 'sources = [{ kind = "wheel", name = "n", path = "p" }]').replace(
                '"e"', '"llamacpp"'
            ),
            ["weights.0.sha256: is missing; only files that all sources have on a hub may lack it"],
        ),
        (
            MODEL + 'languages = ["en", "english"]',
            ["languages.1: 'english'; accepted: an ISO 639-1 code, or one of whisper"],
        ),
        (MODEL + 'languages = "all"', ["languages: 'all'; accepted: a list"]),
        (MODEL + 'hardware = "tpu"', ["hardware: 'tpu'; accepted: cpu, gpu or remote"]),
        (MODEL + "memory = -1", ["memory: -1; accepted: a number of 0 or more"]),
        (
            MODEL + 'price = [{ amount = 0.1, currency = "dollar", per = "word", as_of = "May" }]',
            [
                "price.0.currency: 'dollar'; accepted: three capital letters",
                "price.0.per: 'word'; accepted: minute, hour",
                "price.0.as_of: 'May'; accepted: a date",
            ],
        ),
        (MODEL + "price = [{ amount = 1.5, each = 2 }]", ["price.0.each: is not a field; accepted: amount, currency"]),
        (
            WEIGHT + 'sources = [{ kind = "ftp", name = "n", path = "p", host = "h" }]',
            [
                "weights.0.sources.0.kind: 'ftp'; accepted: package, wheel or hub",
                "host: is not a field; accepted: kind, name, path",
            ],
        ),
    ],
)
def test_a_mistake_is_explained_by_field_value_and_what_is_accepted(text: str, expected: list[str]):
    with pytest.raises(CatalogueError) as raised:
        load_catalogue(tables(text), "file f.toml")
    assert str(raised.value).startswith("file f.toml: ")
    assert [part for part in expected if part not in str(raised.value)] == []


def test_every_wrong_table_has_a_line():
    with pytest.raises(CatalogueError) as raised:
        load_catalogue(tables(MODEL.replace("chat", "llm") + MODEL.replace('"m"', '"n"').replace('"e"', '"E"')))
    assert [line.partition(":")[0] for line in str(raised.value).splitlines()] == ["model 'm'", "model 'n'"]


@pytest.mark.parametrize("options", ['"sk-1"', '["sk-1"]', '[{ api_key = "sk-1" }]'])
def test_options_that_are_no_table_are_not_told_because_they_may_hold_a_key(options: str):
    with pytest.raises(CatalogueError, match="options: accepted: a table") as raised:
        load_catalogue(tables(f"{MODEL}options = {options}"))
    assert "sk-1" not in str(raised.value)


def test_an_unknown_model_is_answered_with_the_known_ones():
    with pytest.raises(CatalogueError, match="'whisper' is not a vad; accepted: silero, webrtc"):
        load_catalogue().find("whisper", "vad")


def test_a_model_of_another_kind_is_not_found():
    catalogue = load_catalogue()
    assert catalogue.find("silero").kind == "vad"
    with pytest.raises(CatalogueError, match="'silero' is not a chat"):
        catalogue.find("silero", "chat")


OWN_FILE = {"name": "a.gguf", "size": 1, "sha256": "0" * 64}


def words_model(**fields: object) -> dict[str, object]:
    return {"name": "mine", "kind": "turn", "engine": "next_token", "judges": "words", "languages": ["en"], **fields}


def test_a_model_may_use_the_weights_of_another_from_the_same_files():
    catalogue = load_catalogue([words_model(weights_of="qwen3-0.6b")])
    assert catalogue["mine"].weights == catalogue["qwen3-0.6b"].weights
    assert (catalogue["mine"].folder, catalogue["qwen3-0.6b"].folder) == ("qwen3-0.6b", "qwen3-0.6b")


def test_weights_are_shared_also_where_another_model_takes_the_place_of_their_owner():
    replaced = {"name": "smollm2-135m", "kind": "chat", "engine": "openai_compatible"}
    assert load_catalogue([replaced])["smollm2-words"].weights == load_catalogue()["smollm2-135m"].weights


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ({"weights_of": "no-such-model"}, "the name of a model with"),
        ({"weights_of": "gpt-4o-mini"}, "the name of a model with"),
        ({"weights_of": "smollm2-words"}, "the name of a model with"),
        (
            {"weights_of": "qwen3-0.6b", "weights": [{"name": "a.gguf", "size": 1, "sha256": "0" * 64}]},
            "nothing beside",
        ),
    ],
)
def test_weights_that_cannot_be_shared_are_refused(fields: dict[str, object], accepted: str):
    with pytest.raises(CatalogueError, match=f"'mine': weights_of: .*; accepted: {accepted}"):
        load_catalogue([words_model(**fields)])
