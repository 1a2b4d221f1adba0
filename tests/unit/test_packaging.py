"""What pyproject.toml says agrees with itself and with the code."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import streamsrv
from streamsrv.engines.catalogue import load_catalogue

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
OF_THE_PROJECT = {"dev", "release", "all"}
"""Extras that are not for users, and the one that is all of the others."""
TOO_LARGE = {"nemo", "xtts", "chattts"}
"""Extras that are many times larger than all the others."""


def _extras_within(extra: str) -> set[str]:
    """The extras that `extra` consists of, at any depth."""
    inner = {
        name
        for line in EXTRAS[extra]
        for found in re.findall(r"^streamsrv\[(.*)\]$", line)
        for name in found.split(",")
    }
    return inner.union(*map(_extras_within, inner)) if inner else set()


def test_the_extra_all_has_every_extra_for_users():
    assert _extras_within("all") == EXTRAS.keys() - OF_THE_PROJECT - TOO_LARGE


def test_each_model_of_the_catalogue_is_installed_by_an_extra_that_exists():
    named = {entry.extra for entry in load_catalogue().values() if entry.extra}
    assert named <= EXTRAS.keys()
    assert named


@pytest.mark.parametrize("extra", sorted(EXTRAS.keys() - OF_THE_PROJECT))
def test_each_package_has_a_lower_bound(extra: str):
    for line in (*PROJECT["dependencies"], *EXTRAS[extra]):
        assert re.search(r"(>=|==)\d|^streamsrv\[", line), f"{extra}: {line} accepts any version"


def test_the_package_is_marked_as_typed():
    assert (Path(streamsrv.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("command", [["-m", "streamsrv"], ["-c", "from streamsrv.cli import main; main()"]])
def test_the_version_is_that_of_the_project(command: list[str]):
    done = subprocess.run([sys.executable, *command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"streamsrv {PROJECT['version']}\n"
