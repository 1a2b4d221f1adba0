"""Whether a machine has a GPU, and what a model that needs one says if not."""

from dataclasses import replace
from pathlib import Path

import pytest

from streamsrv.engines.model_entry import ModelEntry
from streamsrv.engines.readiness import needs as readiness
from streamsrv.engines.readiness.gpu import has_gpu
from streamsrv.engines.readiness.needs import Need, needs
from streamsrv.engines.readiness.remedy import explain
from streamsrv.engines.weights.store import ModelStore

ENTRY = ModelEntry("big", "recognizer", "nemo", hardware="gpu")


@pytest.mark.parametrize(
    ("device", "environment", "expected"),
    [
        ("nvidia0", {}, True),
        ("nvidia1", {"CUDA_VISIBLE_DEVICES": "1"}, True),
        ("dxg", {}, True),
        ("nvidia0", {"CUDA_VISIBLE_DEVICES": ""}, False),
        ("nvidia0", {"CUDA_VISIBLE_DEVICES": "-1"}, False),
        ("nvidiactl", {}, False),
        ("null", {}, False),
    ],
)
def test_a_gpu_is_found_by_its_device(tmp_path: Path, device: str, environment: dict[str, str], expected: bool):
    (tmp_path / device).touch()
    assert has_gpu(environment, tmp_path) is expected


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "has_gpu", lambda _: False)


@pytest.mark.usefixtures("without_gpu")
def test_a_model_that_needs_a_gpu_says_so(tmp_path: Path):
    lacking = needs(ENTRY, ModelStore(tmp_path))
    assert lacking == [Need("gpu", "needs a GPU with CUDA, and this machine has none that can be used")]
    assert explain({"big": lacking}, tmp_path) == f"big: {lacking[0].remedy}"


@pytest.mark.usefixtures("without_gpu")
def test_a_model_that_the_operator_puts_on_the_cpu_needs_none(tmp_path: Path):
    assert needs(replace(ENTRY, options={"device": "cpu"}), ModelStore(tmp_path)) == []


def test_a_model_is_ready_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readiness, "has_gpu", lambda _: True)
    assert needs(ENTRY, ModelStore(tmp_path)) == []
