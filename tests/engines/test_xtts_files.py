"""What is refused of the files and options of XTTS, before its process is started."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.model_entry import ModelEntry
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.readiness.probe import problem_of
from streamsrv.engines.tts.xtts import SPEAKERS
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files that look like those of a model."""
    for name in ("config.json", "vocab.json"):
        (tmp_path / name).write_text("{}")
    for name in ("model.pth", SPEAKERS):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("model/data.pkl", b"x" * 1000)
    return tmp_path


def load(options: dict[str, object]):
    return load_engine(ModelEntry("mine", "synthesizer", "xtts", options=options), LoadContext(Scheduler(0), {}))


def test_whole_files_are_accepted_without_pytorch(folder: Path):
    assert load({"folder": str(folder)}).name == "mine"
    (folder / SPEAKERS).unlink()
    assert load({"folder": str(folder), "device": "cpu", "streams": 3, "python": "/opt/xtts/bin/python"}).pids == []


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "model.pth", SPEAKERS])
def test_a_truncated_file_is_refused_by_its_name(folder: Path, name: str):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1] if path.suffix == ".json" else path.read_bytes()[:-30])
    with pytest.raises(Unavailable, match=rf"mine could not be loaded: .*{name} is truncated or corrupt"):
        load({"folder": str(folder)})


def test_another_archive_is_refused(folder: Path):
    with zipfile.ZipFile(folder / "model.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(Unavailable, match=r"model\.pth is not a file of PyTorch"):
        load({"folder": str(folder)})


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "its option `folder` must name a folder with an XTTS model"),
        ({"folder": "/nowhere"}, "/nowhere is no XTTS model, it lacks config.json, vocab.json, model.pth"),
        ({"folder": "/x", "streams": 0}, "streams: 0: "),
        ({"folder": "/x", "device": "tpu"}, "device: 'tpu': "),
        ({"folder": "/x", "temprature": 1}, "'temprature' is not an option; did you mean temperature"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, object], reason: str):
    with pytest.raises(Unavailable, match=reason):
        load(options)


def test_the_published_model_wants_its_licence_accepted(tmp_path: Path):
    entry = load_catalogue()["xtts-v2"]
    (remedy,) = [need.remedy for need in needs(entry, ModelStore(tmp_path)) if need.what == "licence"]
    assert remedy.startswith("its licence is CPML, which allows only non-commercial use")


def test_packages_in_another_environment_are_not_wanted_in_this_one(folder: Path, tmp_path: Path):
    options = {"folder": str(folder), "device": "cpu"}
    requires = ("surely_not_installed",)
    here = ModelEntry("mine", "synthesizer", "xtts", options=options, requires=requires)
    there = ModelEntry("mine", "synthesizer", "xtts", options={**options, "python": "x"}, requires=requires)
    assert [need.what for need in needs(here, ModelStore(tmp_path))] == ["package"]
    assert needs(there, ModelStore(tmp_path)) == []
    assert "surely_not_installed" in problem_of(here)
    assert problem_of(here, in_server=True) == problem_of(there) == ""


def test_the_process_needs_only_the_packages_of_the_model():
    """Its Python may be of an environment without this package's other dependencies. PyTorch is a stand-in here."""
    code = """
import sys
from unittest.mock import MagicMock
sys.modules.update(dict.fromkeys(["pydantic", "rich", "starlette", "uvicorn", "av", "typer", "babel", "platformdirs"]))
sys.modules |= {name: MagicMock() for name in ("torch", "torch.nn.utils.parametrize")}
import streamsrv.engines.tts.xtts_model.loop
"""
    subprocess.run([sys.executable, "-c", code], check=True)
