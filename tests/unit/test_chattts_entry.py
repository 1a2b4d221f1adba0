"""What is known of ChatTTS before a process with it starts: its entry, options and files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.tts.chattts import load
from streamsrv.engines.tts.chattts_model.facts import FILES
from streamsrv.engines.tts.process.synthesizer import ProcessSynthesizer
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler

ENTRY = load_catalogue()["chattts"]
OWN = replace(ENTRY, name="own", weights=())


def loaded(folder: Path, **options: Any) -> ProcessSynthesizer:
    return load(replace(OWN, options={"model": str(folder), **options}), LoadContext(Scheduler(0), {}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_the_entry_has_the_files_that_the_engine_reads():
    assert sorted(file.path for file in ENTRY.weights) == sorted(FILES)
    assert {source.path for file in ENTRY.weights for source in file.sources} == set(FILES)


def test_its_licence_must_be_accepted_and_it_needs_a_gpu_and_its_packages(tmp_path: Path):
    found = {need.what for need in needs(ENTRY, ModelStore(tmp_path), {"PATH": ""})}
    assert {"licence", "weights", "gpu"} <= found


def test_packages_in_another_environment_are_not_needed_here(tmp_path: Path):
    absent = replace(ENTRY, requires=("no_such_module",))
    elsewhere = replace(absent, options={"python": "/opt/chattts/bin/python"})
    here, there = ({need.what for need in needs(entry, ModelStore(tmp_path))} for entry in (absent, elsewhere))
    assert here - there == {"package"}


def test_its_voices_are_seeds_and_known_before_it_is_loaded(folder: Path):
    synthesizer = loaded(folder, seeds=[7, 42])
    assert [voice.name for voice in synthesizer.voices] == ["seed-7", "seed-42"]
    assert synthesizer.voices[0].languages == {"en", "zh"}
    assert "[laugh]" in synthesizer.voices[0].marks


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"seeds": []}, r"seeds: \[\]"),
        ({"seeds": [-1]}, "seeds"),
        ({"seeds": "2"}, "seeds: '2'"),
        ({"processes": 0}, "processes: 0"),
        ({"device": "tpu"}, "device: 'tpu'.*'auto', 'cpu' or 'cuda'"),
        ({"seed": 2}, "'seed' is not an option; did you mean seeds"),
    ],
)
def test_a_wrong_option_is_named_with_its_value(folder: Path, options: dict[str, Any], why: str):
    with pytest.raises(Unavailable, match=why):
        loaded(folder, **options)


def test_files_that_are_missing_are_named(folder: Path):
    (folder / "asset/Vocos.safetensors").unlink()
    with pytest.raises(Unavailable, match=r"is no ChatTTS model, it lacks asset/Vocos\.safetensors$"):
        loaded(folder)


def test_without_weights_and_a_folder_the_option_is_named():
    with pytest.raises(Unavailable, match="its option `model` must name a folder with a ChatTTS model"):
        load(OWN, LoadContext(Scheduler(0), {}))
