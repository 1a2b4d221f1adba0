"""Loading entries that are made of others: what they need and get, and what is said when something is missing."""

import hashlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from streamsrv.engines.catalogue import Catalogue, CatalogueError, ModelEntry, WeightFile
from streamsrv.engines.loading import PART_OPTIONS, EngineLoader, LoadContext, load_engine, with_parts
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler

DATA = b"weights"
WEIGHT = WeightFile("model.bin", len(DATA), hashlib.sha256(DATA).hexdigest())
PAIR = ModelEntry("pair", "recognizer", "two_speed", options={"fast": "small", "accurate": "large", "budget_ms": 5})
SMALL = ModelEntry("small", "recognizer", "fake_engine")
LARGE = ModelEntry("large", "recognizer", "fake_engine", weights=(WEIGHT,), key_variable="FAKE_KEY")
CATALOGUE = Catalogue([PAIR, SMALL, LARGE, ModelEntry("voice", "synthesizer", "fake_engine")])


class Loaded:
    """What the fake engine module loads: it keeps what it was given."""

    def __init__(self, entry: ModelEntry, context: LoadContext) -> None:
        self.entry, self.context = entry, context


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake engine modules, so that no real one is imported; the one in place of `two_speed` loads its parts."""

    def load_pair(entry: ModelEntry, context: LoadContext) -> list[Any]:
        context.report(f"{entry.name} takes long")
        return [context.load_part(entry.options[option]) for option in PART_OPTIONS[entry.engine]]

    for name, load in {"fake_engine": Loaded, "two_speed": load_pair}.items():
        module = ModuleType(f"streamsrv.engines.asr.{name}")
        module.load = load  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path)


@pytest.fixture
def scheduler():
    scheduler = Scheduler(0)
    yield scheduler
    scheduler.close()


def place(store: ModelStore) -> Path:
    path = store.folder / "large" / "model.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    return path


def test_an_entry_comes_with_its_parts():
    assert with_parts(PAIR, CATALOGUE) == [PAIR, SMALL, LARGE]
    assert with_parts(SMALL, CATALOGUE) == [SMALL]


@pytest.mark.parametrize("name", ["absent", "voice"])
def test_a_part_must_be_of_the_same_kind(name):
    with pytest.raises(CatalogueError, match=f"'{name}' is not a recognizer; accepted: pair, small, large"):
        with_parts(ModelEntry("other", "recognizer", "two_speed", options={"fast": name}), CATALOGUE)


def test_an_entry_needs_what_its_parts_need(store, scheduler, monkeypatch):
    monkeypatch.delenv("FAKE_KEY", raising=False)
    loader = EngineLoader(CATALOGUE, store, scheduler)
    assert [str(need) for need in loader.needs(PAIR)] == [
        "weights: streamsrv pull large (7 bytes)",
        "key: set FAKE_KEY",
    ]
    assert loader.needs(SMALL) == []
    with pytest.raises(
        Unavailable, match=r"pair cannot be loaded: weights: streamsrv pull large \(7 bytes\); key: set"
    ):
        loader.load(PAIR)


def test_parts_are_loaded_with_their_own_files_and_keys(store, scheduler, monkeypatch):
    monkeypatch.setenv("FAKE_KEY", "secret")
    path = place(store)
    reported: list[str] = []
    small, large = EngineLoader(CATALOGUE, store, scheduler, reported.append).load(PAIR)
    assert (small.entry, small.context.files, small.context.api_key) == (SMALL, {}, None)
    assert (large.entry, large.context.files, large.context.api_key) == (LARGE, {"model.bin": path}, "secret")
    assert large.context.scheduler is scheduler
    assert reported == ["pair takes long"]


def test_without_a_catalogue_there_are_no_parts(scheduler):
    with pytest.raises(Unavailable, match="small cannot be loaded, because this engine was loaded without a catalogue"):
        load_engine(PAIR, LoadContext(scheduler, {}))
