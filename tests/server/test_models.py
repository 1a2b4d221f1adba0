"""What clients are told of the models: `GET /v1/models` and the capabilities, with the recognisers of a catalogue."""

import time
import tomllib
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from streamsrv.app import build_app
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.recognizer_library import RecognizerLibrary
from streamsrv.engines.recognizer_pool import RecognizerPool
from streamsrv.engines.recognizers import Recognizers
from streamsrv.engines.weights.store import ModelStore
from streamsrv.settings import Settings
from streamsrv.testing.fakes import ScriptedRecognizer, fake_engines

OWN = """
[[model]]
name = "at-home"
kind = "recognizer"
engine = "openai_transcriptions"
description = "A server at home"
languages = ["de", "en"]
hardware = "remote"
licence = "MIT"
price = [{ amount = 0.36, currency = "USD", per = "hour", as_of = 2026-11-01 }]
options = { base_url = "http://me:hidden@kitchen:8080/v1", model = "x" }

[[model]]
name = "with-a-key"
kind = "recognizer"
engine = "openai_transcriptions"
hardware = "remote"
key_variable = "A_KEY_THAT_NOBODY_HAS"
options = { model = "x" }

[[model]]
name = "old"
kind = "recognizer"
engine = "openai_transcriptions"
successor = "at-home"
"""


@pytest.fixture
def client(tmp_path: Path) -> Generator[TestClient]:
    engines = fake_engines()
    catalogue, store = load_catalogue(tomllib.loads(OWN)["model"]), ModelStore(tmp_path)
    loader = EngineLoader(catalogue, store, engines.scheduler)
    library = RecognizerLibrary(loader, store, RecognizerPool(), memory=2_000_000_000)
    library.look()
    recognizers = Recognizers([ScriptedRecognizer("hello")], Breakers(time.monotonic), library=library)
    with TestClient(
        build_app(Settings(), replace(engines, recognizers=recognizers)), base_url="http://127.0.0.1"
    ) as started:
        yield started


def listed(client: TestClient) -> dict[str, dict[str, Any]]:
    return {model["id"]: model["streamsrv"] for model in client.get("/v1/models").json()["data"]}


def test_every_model_is_in_the_shape_of_openai_with_one_extension(client: TestClient):
    answer = client.get("/v1/models").json()
    assert answer["object"] == "list"
    keys = {"id", "object", "created", "owned_by", "streamsrv"}
    assert [model["id"] for model in answer["data"] if set(model) != keys or model["object"] != "model"] == []
    ids = [model["id"] for model in answer["data"]]
    assert len(ids) == len(set(ids))
    assert ids[:2] == ["scripted-model", "scripted-recognizer"]  # the defaults
    assert ids[-1] == "tone"


def test_a_recogniser_of_the_catalogue_is_listed_with_what_it_is_for(client: TestClient):
    facts = listed(client)["at-home"]
    expected = {
        "kind": "recognizer",
        "languages": ["de", "en"],
        "description": "A server at home",
        "licence": "MIT",
        "hardware": "remote",
        "price": [{"amount": 0.36, "currency": "USD", "per": "hour", "as_of": "2026-11-01"}],
        "ready": True,
        "lacks": None,
    }
    assert {key: facts[key] for key in expected} == expected
    assert "hidden" not in client.get("/v1/models").text  # its options stay here


def test_a_recogniser_that_is_not_ready_says_what_mends_it(client: TestClient):
    found = listed(client)
    assert (found["whisper-tiny"]["ready"], found["whisper-tiny"]["lacks"]) in [
        (False, "streamsrv pull whisper-tiny (78.2 MB)"),
        (False, "pip install 'streamsrv[whisper]'; streamsrv pull whisper-tiny (78.2 MB)"),
    ]
    assert found["with-a-key"]["lacks"] == "set A_KEY_THAT_NOBODY_HAS"
    assert "recognizer_memory allows 2.0 GB" in found["whisper-large-v3"]["lacks"]


def test_a_recogniser_says_what_it_can_use(client: TestClient):
    can = {"detects_language", "prompt", "keywords", "logprobs", "translates"}
    assert {ability for ability in can if listed(client)["whisper-small"][ability]} == can
    assert {ability for ability in can if listed(client)["moonshine-base"][ability]} == {"logprobs"}


def test_a_retired_model_is_not_offered(client: TestClient):
    assert "old" not in listed(client)


def test_one_model_is_as_in_the_list(client: TestClient):
    one = client.get("/v1/models/whisper-small").json()
    assert one in client.get("/v1/models").json()["data"]
    assert client.get("/v1/models/silero").status_code == 404  # no request names it


def test_the_pages_learn_what_goes_to_another_machine(client: TestClient):
    elsewhere = client.get("/v1/streamsrv/capabilities").json()["elsewhere"]
    assert {"at-home", "with-a-key"} <= set(elsewhere)
    assert not {"scripted-recognizer", "whisper-small"} & set(elsewhere)


def test_the_pages_learn_which_recognisers_can_be_chosen(client: TestClient):
    recognizers = {each["name"]: each for each in client.get("/v1/streamsrv/capabilities").json()["recognizers"]}
    assert recognizers["scripted-recognizer"]["lacks"] is None
    assert recognizers["at-home"]["languages"] == ["de", "en"]
    small = recognizers["whisper-small"]
    assert (small["detects_language"], small["translates"]) == (True, True)
    assert "streamsrv pull whisper-small" in small["lacks"]
