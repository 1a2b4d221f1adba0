"""`streamsrv pull` from a model hub, as a user runs it; the hub is a double on loopback with real weights."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_gguf import write_scripted_gguf

from hub_double import HubDouble, Repository, serve_hub
from streamsrv.configuration.reading import read_configuration
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.llm.base import ChatOptions, Message, Text
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler

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


QWEN = load_catalogue()["qwen3-0.6b"]
OWN_GGUF = """
[[model]]
name = "mine"
kind = "chat"
engine = "llamacpp"
abilities = ["calls_tools"]
context_tokens = 1024
requires = ["xllamacpp"]
extra = "llamacpp"
options = {{ temperature = 0.0, threads = 1 }}
weights = [{{ name = "model.gguf", size = {size}, sources = [
  {{ kind = "hub", name = "someone/model-GGUF", path = "model-Q4_K_M.gguf" }},
] }}]
"""


def test_a_language_model_is_asked_for_at_its_commit_and_refused_if_it_is_another_file(hub: HubDouble, tmp_path: Path):
    source = QWEN.weights[0].sources[0]
    hub.repositories[source.name] = Repository({source.path: b"x" * 10_000}, source.revision, in_storage=(source.path,))
    result = run("pull", "qwen3-0.6b", models=tmp_path / "models")
    assert result.returncode == 1
    assert "qwen3-0.6b: model.gguf (639.4 MB) could not be fetched:" in result.stderr
    assert next(asked for _, asked, _ in hub.requests) == (
        f"/Qwen/Qwen3-0.6B-GGUF/resolve/{source.revision}/Qwen3-0.6B-Q8_0.gguf"
    )


async def test_a_language_model_is_pulled_by_the_digest_of_the_hub_and_answers(hub: HubDouble, tmp_path: Path):
    if lacking := [need for need in needs(QWEN, ModelStore()) if need.what != "weights"]:
        pytest.skip(f"the engine llamacpp is not ready: {lacking[0]}")
    data = write_scripted_gguf(tmp_path / "scripted.gguf").read_bytes()
    (tmp_path / "streamsrv.toml").write_text(OWN_GGUF.format(size=len(data)))
    hub.repositories["someone/model-GGUF"] = Repository({"model-Q4_K_M.gguf": data}, in_storage=("model-Q4_K_M.gguf",))
    hub.cuts = [1_000_000]
    models = tmp_path / "models"
    pulled = run("pull", "mine", models=models)
    assert pulled.stdout.startswith("mine: ready (fetched"), pulled.stderr
    assert [span for _, span, _ in hub.stored] == [None, "bytes=1000000-"]
    configuration = read_configuration({}, (), tmp_path / "streamsrv.toml", environ={})
    scheduler = Scheduler(1)
    loader = EngineLoader(configuration.catalogue, ModelStore(models), scheduler)
    model = loader.load(configuration.catalogue["mine"])
    deltas = [delta async for delta in model.stream([Message("user", "Hello!")], (), ChatOptions())]
    assert "".join(delta.text for delta in deltas if isinstance(delta, Text)) == "Hello there."
    await model.aclose()
    (models / "mine" / "model.gguf").write_bytes(data[:-1000])
    with pytest.raises(Unavailable, match="streamsrv pull mine"):
        loader.load(configuration.catalogue["mine"])
    scheduler.close()
