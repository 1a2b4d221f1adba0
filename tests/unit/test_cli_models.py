"""The commands pull, models and doctor: what they print and how they end."""

import hashlib
import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streamsrv.cli import app, doctor
from streamsrv.configuration.reading import read_configuration
from streamsrv.engines import catalogue
from streamsrv.engines.llm.discovery import LocalServer

DATA = b"weights"

CONFIG = f"""
[[model]]
name = "packaged"
kind = "recognizer"
engine = "moonshine"

[[model.weights]]
name = "model.bin"
size = {len(DATA)}
sha256 = "{hashlib.sha256(DATA).hexdigest()}"
sources = [{{ kind = "package", name = "fake_weights_package", path = "model.bin" }}]

[[model]]
name = "unavailable"
kind = "recognizer"
engine = "moonshine"
requires = ["no_such_module"]

[[model.weights]]
name = "model.bin"
size = 2_000_000
sha256 = "{"0" * 64}"
sources = [{{ kind = "package", name = "no_such_package", path = "model.bin" }}]

[[model]]
name = "remote"
kind = "chat"
engine = "openai_compatible"
key_variable = "FAKE_API_KEY"
"""


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a configuration, an installed package with weights, and an empty model folder."""
    (tmp_path / "streamsrv.toml").write_text(CONFIG)
    package = tmp_path / "site" / "fake_weights_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model.bin").write_bytes(DATA)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMSRV_MODEL_FOLDER", str(tmp_path / "models"))
    monkeypatch.delenv("FAKE_API_KEY", raising=False)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def states() -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in json.loads(run("models", "--json").stdout)}


def test_help_imports_nothing_heavy():
    code = "import sys, streamsrv.cli; print(sorted({'pydantic', 'numpy', 'openai', 'onnxruntime'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_help_lists_the_commands():
    assert [name for name in ("pull", "models", "doctor") if name not in run("--help").stdout] == []


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def without_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package of an engine is tried, which takes seconds."""
    monkeypatch.setattr("streamsrv.engines.readiness.survey.find_problems", lambda _: {})


def test_models_says_what_each_model_lacks():
    rows = states()
    assert rows["packaged"]["missing"] == [{"what": "weights", "remedy": "streamsrv pull packaged (7 bytes)"}]
    assert rows["unavailable"]["missing"] == [
        {"what": "package", "remedy": "pip install no_such_module"},
        {"what": "weights", "remedy": "streamsrv pull unavailable (2.0 MB)"},
    ]
    assert rows["remote"]["missing"] == [{"what": "key", "remedy": "set FAKE_API_KEY"}]
    assert {name: row["ready"] for name, row in rows.items() if name in ("packaged", "remote")} == {
        "packaged": False,
        "remote": False,
    }


@pytest.mark.usefixtures("without_imports")
def test_models_names_the_extra_of_a_missing_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamsrv.engines.readiness.needs.is_installed", lambda module: module != "openai")
    assert {"what": "package", "remedy": "pip install 'streamsrv[openai]'"} in states()["gpt-4o-mini"]["missing"]


@pytest.mark.usefixtures("without_imports")
def test_models_calls_a_remote_model_with_its_key_ready(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAKE_API_KEY", "secret")
    assert states()["remote"]["ready"] is True


@pytest.mark.usefixtures("without_imports")
def test_models_prints_a_table():
    result = run("models")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "packaged 7 bytes weights: streamsrv pull packaged (7 bytes)" in lines
    assert "remote key: set FAKE_API_KEY" in lines
    assert any(line.startswith("whisper-small 100 486 MB 700 MB ") for line in lines)


@pytest.mark.usefixtures("without_imports")
def test_models_states_everything_as_json():
    rows = states()
    row = rows["whisper-small"]
    assert {"de", "ko", "sw"} <= set(row["languages"])
    assert (row["bytes"], row["hardware"], row["licence"], row["price"]) == (486_212_372, "cpu", "MIT", [])
    assert row["best_for"]
    assert row["not_for"]
    assert row["extra"] == "whisper"
    assert {"what": "weights", "remedy": "streamsrv pull whisper-small (486.2 MB)"} in row["missing"]
    assert rows["two-speed"]["bytes"] == rows["moonshine-tiny"]["bytes"] + rows["moonshine-base"]["bytes"]


@pytest.mark.usefixtures("without_imports")
def test_models_tells_everything_about_one_model():
    said = " ".join(run("models", "whisper-small").stdout.split())
    expected = ["weights: streamsrv pull whisper-small (486.2 MB)", "best for many languages", "streamsrv[whisper]"]
    assert [part for part in expected if part not in said] == []


@pytest.mark.usefixtures("without_imports")
def test_models_can_be_filtered():
    def names(*options: str) -> list[str]:
        return [row["name"] for row in json.loads(run("models", "--json", *options).stdout)]

    assert names("--kind", "vad") == ["silero", "webrtc"]
    german = names("--kind", "recognizer", "--language", "German")
    assert "whisper-small" in german
    assert "moonshine-tiny" not in german
    assert german == names("--kind", "recognizer", "--language", "de-AT")
    assert "packaged" not in names("--ready")
    assert names("packaged", "--ready") == []
    assert "no model is like that" in run("models", "packaged", "--ready").stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("whispr-small",), "'whispr-small' is not a model; did you mean whisper-small?; accepted: "),
        (("--kind", "asr"), "--kind: 'asr'; accepted: vad, turn, recognizer, chat, synthesizer"),
        (("--language", "klingon"), "--language: 'klingon'; accepted: an ISO 639-1 code such as de, or an English"),
    ],
)
def test_a_wrong_choice_of_models_is_explained(arguments: tuple[str, ...], expected: str):
    result = run("models", *arguments)
    assert result.exit_code == 2
    assert expected in result.stderr


@pytest.mark.usefixtures("without_imports")
def test_a_retired_model_is_shown_with_the_one_that_serves_it(tmp_path: Path):
    retired = '[[model]]\nname = "old"\nkind = "recognizer"\nengine = "moonshine"\nsuccessor = "packaged"\n'
    (tmp_path / "streamsrv.toml").write_text(CONFIG + retired)
    rows = states()
    assert rows["old"]["successor"] == "packaged"
    assert rows["old"]["missing"] == rows["packaged"]["missing"]
    assert "retired by its provider: packaged serves it" in run("models", "old").stdout


def test_a_wrong_configuration_is_explained(tmp_path: Path):
    (tmp_path / "other.toml").write_text('[[model]]\nname = "x"\nkind = "llm"\nengine = "e"\n')
    result = run("models", "--config", "other.toml")
    assert result.exit_code == 2
    assert "kind: 'llm'; accepted: recognizer, chat, synthesizer, vad or turn" in result.stderr


# --- pull -------------------------------------------------------------------------------------------------------------


def test_pull_fetches_once_and_then_finds_everything_there(tmp_path: Path):
    first, second = run("pull", "packaged"), run("pull", "packaged")
    assert first.stdout.startswith("packaged: ready (fetched 7 bytes in ")
    assert second.stdout == "packaged: ready\n"
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert (tmp_path / "models" / "packaged" / "model.bin").read_bytes() == DATA


def test_pull_all_takes_every_model_with_weights(monkeypatch: pytest.MonkeyPatch):
    configuration = read_configuration()
    own = [entry for entry in configuration.catalogue.entries() if entry.name in ("packaged", "unavailable", "remote")]
    configuration = replace(configuration, catalogue=catalogue.Catalogue(own))
    monkeypatch.setattr("streamsrv.cli.pull.open_configuration", lambda *_: configuration)
    result = run("pull", "--all")
    assert result.stdout.startswith("packaged: ready (fetched 7 bytes in ")
    assert "unavailable: " in result.stderr
    assert "remote" not in result.output
    assert result.exit_code == 1  # one of them cannot be had


def test_pull_takes_names_or_all_of_them():
    result = run("pull", "--all", "packaged")
    assert (result.exit_code, "name models or give --all" in result.stderr) == (2, True)


def test_pull_without_names_takes_the_default_models_and_the_optional_ones(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catalogue, "DEFAULT_MODELS", {"recognizer": "packaged"})
    monkeypatch.setattr(catalogue, "OPTIONAL_MODELS", {"turn": "unavailable"})
    result = run("pull")
    assert result.stdout.startswith("packaged: ready")
    assert "unavailable: the server starts without it." in result.stderr
    assert result.exit_code == 0


def test_pull_goes_on_after_a_failure_and_ends_with_status_1():
    result = run("pull", "unavailable", "packaged")
    assert result.exit_code == 1
    assert "unavailable: model.bin (2.0 MB) could not be fetched" in result.stderr
    assert "package no_such_package: is not installed" in result.stderr
    assert result.stdout.startswith("packaged: ready")


def test_pull_says_what_it_cannot_fetch():
    result = run("pull", "remote")
    assert (result.exit_code, result.stdout) == (1, "remote: key: set FAKE_API_KEY\n")


def test_pull_of_an_unknown_model_lists_the_known_ones():
    result = run("pull", "nonsense")
    assert result.exit_code == 2
    assert "'nonsense' is not a model; accepted: silero, " in result.stderr


# --- doctor -----------------------------------------------------------------------------------------------------------


DOCTOR = """
recognizer = "packaged"
vad = "loud"
chat = "keyless"
chat_fallback = "none"
synthesizer = "none"
turn = "none"
turn_words = "none"

[[model]]
name = "loud"
kind = "vad"
engine = "webrtc"

[[model]]
name = "keyless"
kind = "chat"
engine = "openai_compatible"

[[model]]
name = "far"
kind = "turn"
engine = "smart_turn"
requires = ["no_such_module"]
"""


@pytest.fixture
def only_packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings whose only model with weights is `packaged`, and no look at what else runs on this machine."""
    (tmp_path / "streamsrv.toml").write_text(DOCTOR + CONFIG)
    monkeypatch.setattr("streamsrv.engines.llm.discovery.find_local_servers", list)


@pytest.mark.usefixtures("only_packaged")
def test_doctor_fails_while_a_model_of_the_settings_lacks_something():
    before = run("doctor")
    run("pull", "packaged")
    after = run("doctor")
    assert (before.exit_code, after.exit_code) == (1, 0)
    assert [" ".join(line.split()) for line in before.stdout.splitlines() if line.startswith("failed")] == [
        "failed model packaged weights: streamsrv pull packaged (7 bytes)"
    ]
    assert "failed" not in after.stdout


@pytest.mark.usefixtures("only_packaged", "without_imports")
def test_doctor_does_not_fail_over_an_optional_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamsrv.engines.selection.OPTIONAL_MODELS", {"turn": "far"})
    (tmp_path / "streamsrv.toml").write_text((DOCTOR + CONFIG).replace('turn = "none"', 'turn = "auto"'))
    run("pull", "packaged")
    result = run("doctor")
    assert result.exit_code == 0
    assert any(line.startswith("note") and "model far" in line for line in result.stdout.splitlines())


@pytest.mark.usefixtures("only_packaged", "without_imports")
def test_doctor_says_whether_a_key_is_set_and_never_its_value(monkeypatch: pytest.MonkeyPatch):
    without = run("doctor").stdout
    monkeypatch.setenv("FAKE_API_KEY", "secret")
    result = run("doctor").stdout
    assert [" ".join(line.split()) for line in (without + result).splitlines() if "FAKE_API_KEY" in line] == [
        "note FAKE_API_KEY not set (only the models that use it need it)",
        "ok FAKE_API_KEY set",
    ]
    assert "secret" not in result


def test_doctor_notes_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        taken = doctor.check_port(port)
    assert taken.state == "note"
    assert taken.detail.startswith("Address already in use")
    assert doctor.check_port(port) == doctor.Finding("ok", f"port {port}", "free")


def test_doctor_lists_the_packages_of_each_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamsrv.engines.readiness.needs.is_installed", lambda module: module != "openai")
    findings = {finding.subject: finding for finding in doctor.check_extras(catalogue.load_catalogue())}
    assert findings["extra openai"].detail == "missing openai: pip install 'streamsrv[openai]'"
    assert {f"extra {name}" for name in ("webrtc", "ledger", "postgresql", "mcp", "anthropic")} <= set(findings)


def test_doctor_lists_the_language_model_servers_of_this_machine():
    servers = [LocalServer("Ollama", "http://127.0.0.1:11434/v1", ("a", "b"))]
    assert doctor.check_local_servers(servers) == [
        doctor.Finding("ok", "local server", "Ollama at http://127.0.0.1:11434/v1: a, b")
    ]
    assert [finding.state for finding in doctor.check_local_servers([])] == ["note"]


def test_a_voice_folder_that_cannot_be_written_is_found(tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert doctor.check_voice_folder(tmp_path / "new") == []
    (found,) = doctor.check_voice_folder(tmp_path / "file" / "below")
    assert (found.state, found.subject) == ("note", "voice folder")
    assert f"{tmp_path / 'file'} is a file, so voices cannot be cloned; set voice_folder" in found.detail
