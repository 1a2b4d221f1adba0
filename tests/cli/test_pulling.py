"""`streamsrv pull` from a model hub, as a user runs it; the hub is a double on loopback with real weights."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_double import HubDouble, Repository, serve_hub
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore

QUESTION = Path(__file__).parents[2] / "fixtures" / "is_the_front_door_locked.flac"
SMALL = load_catalogue()["whisper-small"]
SMALL_SOURCE = SMALL.weights[0].sources[0]
OWN = """
[[model]]
name = "mine"
kind = "recognizer"
engine = "faster_whisper"
languages = ["en"]
requires = ["faster_whisper"]
extra = "whisper"
sources = [{ kind = "hub", name = "someone/whisper" }]
weights = [
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubDouble]:
    monkeypatch.chdir(tmp_path)
    hub = HubDouble()
    with serve_hub(hub) as address:
        monkeypatch.setenv("STREAMSRV_HUB", address)
        yield hub


def run(*arguments: str | Path, models: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"STREAMSRV_MODEL_FOLDER": str(models), "COLUMNS": "200"}
    command = [sys.executable, "-m", "streamsrv", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_whisper_small_is_asked_for_at_its_commit_and_refused_if_it_is_another_file(hub: HubDouble, tmp_path: Path):
    files = {file.name: b"x" * min(file.size, 10_000) for file in SMALL.weights}
    hub.repositories[SMALL_SOURCE.name] = Repository(files, commit=SMALL_SOURCE.revision)
    result = run("pull", "whisper-small", models=tmp_path / "models")
    assert result.returncode == 1
    assert "whisper-small: config.json (2.4 kB) could not be fetched:" in result.stderr
    assert (
        f"config.json has sha256 {hashlib.sha256(files['config.json']).hexdigest()}, expected b55496ac" in result.stderr
    )
    path = f"/Systran/faster-whisper-small/resolve/{SMALL_SOURCE.revision}/config.json"
    assert [asked for _, asked, _ in hub.requests] == [path]


def test_a_model_of_the_hub_without_known_hashes_is_pulled_by_name_and_recognises_speech(
    hub: HubDouble, tmp_path: Path
):
    entry, store = load_catalogue()["whisper-tiny.en"], ModelStore()
    for lacking in (*needs(entry, store), *needs(load_catalogue()["silero"], store)):
        pytest.skip(f"whisper-tiny.en is not ready: {lacking}")
    files = {name: path.read_bytes() for name, path in store.locate(entry).items()}
    hub.repositories["someone/whisper"] = Repository(files)
    hub.cuts = [30_000_000]
    weights = [f'  {{ name = "{name}", size = {len(data)} }},\n' for name, data in files.items()]
    (tmp_path / "streamsrv.toml").write_text(OWN + "".join(weights) + "]\n")
    models = tmp_path / "models"
    shutil.copytree(store.folder / "silero", models / "silero")
    pulled = run("pull", "mine", models=models)
    assert pulled.returncode == 0, pulled.stderr
    assert "mine: ready (fetched 78.1 MB in " in pulled.stdout
    assert [span for _, span, _ in hub.stored] == [None, "bytes=30000000-"]
    recognised = run("transcribe", QUESTION, "--recognizer", "mine", models=models)
    assert "front door" in recognised.stdout.lower(), recognised.stderr
