"""Which language model a machine is advised to run, from its cores and its memory."""

from pathlib import Path

import pytest

from streamsrv.cli.doctor import check_local_models
from streamsrv.configuration.reading import read_configuration
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.llm.discovery import LocalServer, choose_chat_model
from streamsrv.engines.readiness.local_models import (
    LocalModels,
    by_strength,
    find_local_models,
    problem,
    problems,
    tokens_per_s,
)
from streamsrv.engines.readiness.machine import Machine, chat_threads, machine
from streamsrv.engines.readiness.needs import Need
from streamsrv.engines.selection import Selection, select_models
from streamsrv.engines.weights.store import ModelStore

CATALOGUE = load_catalogue()
CHAT = CATALOGUE.entries("chat")
GB = 1_000_000_000


def best(cores: int, memory_gb: float) -> str:
    return next((entry.name for entry in by_strength(CHAT, Machine(cores, int(memory_gb * GB)))), "")


@pytest.mark.parametrize(
    ("cores", "memory_gb", "name"),
    [
        (1, 2, ""),
        (2, 2, ""),
        (2, 4, "qwen3-0.6b"),
        (2, 64, "qwen3-0.6b"),
        (3, 8, "qwen3-1.7b"),
        (4, 8, "smollm3-3b"),
        (6, 8, "qwen3-4b"),
        (6, 6, "smollm3-3b"),
        (64, 3.6, "qwen3-0.6b"),
        (12, 12, "qwen3-8b"),
        (64, 9, "qwen3-4b"),
    ],
)
def test_the_best_model_is_the_strongest_that_is_fast_enough_and_fits(cores: int, memory_gb: float, name: str):
    assert best(cores, memory_gb) == name


def test_what_the_shipped_local_models_state_is_enough_to_choose_one():
    for entry in (entry for entry in CHAT if entry.engine == "llamacpp"):
        assert entry.memory > entry.size, entry.name
        stated = (entry.strength, entry.languages, entry.best_for, entry.not_for, entry.licence, entry.context_tokens)
        assert all(stated), entry.name


def test_larger_models_are_stronger_and_slower():
    models = sorted((entry for entry in CHAT if entry.engine == "llamacpp"), key=lambda entry: entry.size)
    assert [entry.strength for entry in models] == sorted(entry.strength for entry in models)
    speeds = [tokens_per_s(entry, Machine(4, 16 * GB)) for entry in models if "threads" not in entry.options]
    assert speeds == sorted(speeds, reverse=True)


def test_a_model_that_is_too_large_says_why():
    assert "memory" in problem(CATALOGUE["qwen3-8b"], Machine(32, 4 * GB))
    assert "tokens/s on 2 cores" in problem(CATALOGUE["qwen3-8b"], Machine(2, 64 * GB))
    assert problem(CATALOGUE["qwen3-8b"], Machine(32, 64 * GB)) == ""


def test_models_that_fit_only_one_by_one_are_too_large_together():
    chosen = [CATALOGUE[name] for name in ("qwen3-4b", "smollm3-3b", "gpt-4o-mini")]
    assert problems(chosen, Machine(8, 16 * GB)) == []
    assert problems(chosen, Machine(8, 8 * GB)) == [
        "qwen3-4b and smollm3-3b need 10.3 GB of memory together, and this machine has 8.0 GB"
    ]


def test_a_core_is_left_for_hearing_and_speaking():
    assert [chat_threads(cores) for cores in (1, 2, 4, 200)] == [1, 1, 3, 16]


def look(here: Machine, monkeypatch: pytest.MonkeyPatch, *pulled: str) -> LocalModels:
    """What the machine could run when the models `pulled` are there."""
    lacking = [Need("weights", "streamsrv pull")]
    monkeypatch.setattr(
        "streamsrv.engines.readiness.local_models.needs", lambda entry, _: [] if entry.name in pulled else lacking
    )
    return find_local_models(CATALOGUE, ModelStore(Path("nowhere")), here)


def test_the_embedded_model_advises_a_better_one_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    choice = choose_chat_model(CHAT, {}, (), local=look(Machine(4, 8 * GB), monkeypatch))
    assert choice.entry.name == "smollm2-135m"
    assert choice.reason.endswith(
        "for real answers. smollm3-3b answers better and runs here, at about 10 tokens/s and with 3.8 GB of memory: "
        "streamsrv pull smollm3-3b && streamsrv serve --chat smollm3-3b"
    )
    none = choose_chat_model(CHAT, {}, (), local=look(Machine(1, 2 * GB), monkeypatch))
    assert none.reason.endswith("start Ollama for real answers.")


def test_the_best_model_that_was_pulled_is_used_unless_something_else_was_set_up(monkeypatch: pytest.MonkeyPatch):
    local = look(Machine(8, 16 * GB), monkeypatch, "qwen3-0.6b", "qwen3-1.7b", "qwen3-8b")
    choice = choose_chat_model(CHAT, {}, (), local=local)
    assert choice.entry.name == "qwen3-1.7b"  # the largest is too slow
    assert not choice.is_configured
    assert "about 35 tokens/s" in choice.reason
    ollama = LocalServer("Ollama", "http://127.0.0.1:11434/v1", ("qwen3:8b",))
    assert choose_chat_model(CHAT, {}, [ollama], local=local).entry.name == "qwen3-8b"
    assert choose_chat_model(CHAT, {"OPENAI_API_KEY": "k"}, (), local=local).entry.name == "gpt-4o-mini"
    assert choose_chat_model(CHAT, {}, (), setting="qwen3-8b", local=local).entry.engine == "llamacpp"


def selected(local: LocalModels, *assignments: str) -> Selection:
    configuration = read_configuration({}, assignments, environ={})
    return select_models(configuration.settings, configuration.catalogue, {}, (), local)


def test_doctor_names_the_best_local_model_and_the_command(monkeypatch: pytest.MonkeyPatch):
    local = look(Machine(3, 8 * GB), monkeypatch)
    [finding] = check_local_models(local, selected(local))
    assert (finding.state, finding.subject) == ("note", "local model")
    assert finding.detail == (
        "qwen3-1.7b is the best that this machine can run, at about 10 tokens/s: "
        "streamsrv pull qwen3-1.7b && streamsrv serve --chat qwen3-1.7b"
    )
    pulled = look(Machine(3, 8 * GB), monkeypatch, "qwen3-1.7b")
    [finding] = check_local_models(pulled, selected(pulled))
    assert (finding.state, finding.detail.rpartition("; ")[2]) == ("ok", "it is chosen")
    [finding] = check_local_models(pulled, selected(pulled, "chat=smollm2-135m"))
    assert finding.detail.endswith("tokens/s: streamsrv serve --chat qwen3-1.7b")


def test_doctor_notes_a_chosen_model_that_is_too_large(monkeypatch: pytest.MonkeyPatch):
    local = look(Machine(2, 3 * GB), monkeypatch)
    large, none = check_local_models(local, selected(local, "chat=qwen3-8b"))
    assert (large.state, large.subject) == ("note", "local model")
    assert "qwen3-8b needs 10.0 GB of memory" in large.detail
    assert none.detail == "none beyond the embedded one reaches 10 tokens/s on this machine"


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({}, None, None),
        ({"cpu.max": "max 100000", "memory.max": "max"}, None, None),
        ({"cpu.max": "100000 100000", "memory.max": "1000000"}, 1, 1_000_000),
        ({"cpu.max": "20000 100000"}, 1, None),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1, None),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None, None),
        ({"memory/memory.limit_in_bytes": "2000000"}, None, 2_000_000),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, None, None),
        ({"cpu.max": "broken", "memory.max": ""}, None, None),
    ],
)
def test_the_limits_of_a_container_count(tmp_path: Path, files: dict[str, str], cores: int | None, memory: int | None):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    bare, found = machine(tmp_path / "none"), machine(tmp_path)
    assert found == Machine(cores or bare.cores, memory or bare.memory)
    assert bare.cores >= 1
    assert bare.memory > 100_000_000
