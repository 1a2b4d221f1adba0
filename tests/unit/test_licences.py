"""Licences of weights that an operator has to accept before a model is fetched or loaded."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamsrv.cli import app
from streamsrv.configuration.reading import ConfigurationError, read_configuration
from streamsrv.engines.catalogue import CatalogueError, load_catalogue
from streamsrv.engines.licences import with_accepted_licences
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore

TABLE = """
[[model]]
name = "mine"
kind = "synthesizer"
engine = "hibari"
licence_to_accept = "Shareware-1.0"
licence_terms = "which allows use on Sundays only"
sources = [{ kind = "hub", name = "someone/voice" }]
weights = [{ name = "voice.bin", size = 10 }]
"""
MINE = {
    "name": "mine",
    "kind": "synthesizer",
    "engine": "hibari",
    "licence_to_accept": "Shareware-1.0",
    "licence_terms": "which allows use on Sundays only",
}
CATALOGUE = load_catalogue([MINE])
REMEDY = (
    "its licence is Shareware-1.0, which allows use on Sundays only; if you accept it, add Shareware-1.0 to "
    "accepted_licences"
)


def wanted(catalogue, folder: Path) -> list[str]:
    return [need.remedy for need in needs(catalogue["mine"], ModelStore(folder)) if need.what == "licence"]


def test_a_model_under_a_licence_lacks_its_acceptance(tmp_path: Path):
    assert wanted(CATALOGUE, tmp_path) == [REMEDY]


def test_it_lacks_nothing_of_the_kind_once_the_licence_is_accepted(tmp_path: Path):
    assert wanted(with_accepted_licences(CATALOGUE, ["Shareware-1.0"]), tmp_path) == []
    assert with_accepted_licences(CATALOGUE, []) == CATALOGUE


def test_a_licence_that_no_model_asks_for_is_an_error_that_names_those_there_are():
    with pytest.raises(CatalogueError, match="no licence that a model asks for; did you mean Share"):
        with_accepted_licences(CATALOGUE, ["shareware-1.0"])
    with pytest.raises(CatalogueError, match=r"accepted: .*Shareware-1\.0"):
        with_accepted_licences(CATALOGUE, ["MIT"])


def test_the_setting_is_read_from_every_source_and_says_what_is_wrong(tmp_path: Path):
    file = tmp_path / "own.toml"
    file.write_text(TABLE)
    given = read_configuration(assignments=["accepted_licences=Shareware-1.0"], file=file, environ={})
    assert given.catalogue["mine"].licence_to_accept == ""
    assert read_configuration(file=file, environ={}).catalogue["mine"].licence_to_accept == "Shareware-1.0"
    with pytest.raises(ConfigurationError, match="STREAMSRV_ACCEPTED_LICENCES: accepted_licences: 'GPL' is no licence"):
        read_configuration(file=file, environ={"STREAMSRV_ACCEPTED_LICENCES": "GPL"})


def test_pull_refuses_to_fetch_it_and_says_what_the_licence_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STREAMSRV_MODEL_FOLDER", str(tmp_path / "models"))
    monkeypatch.setenv("STREAMSRV_HUB", "http://127.0.0.1:1")  # nothing answers there
    monkeypatch.chdir(tmp_path)
    (tmp_path / "streamsrv.toml").write_text(TABLE)
    result = CliRunner().invoke(app, ["pull", "mine"])
    assert result.exit_code == 1
    assert f"mine is not fetched: {REMEDY}" in result.stderr
    assert not list((tmp_path / "models").glob("mine"))
    result = CliRunner().invoke(app, ["pull", "mine", "--set", "accepted_licences=Shareware-1.0"])
    assert "licence" not in result.stderr
    assert "voice.bin (10 bytes) could not be fetched" in result.stderr
