"""The command that calibrates an end-of-turn model: the points of known scores, and a run over recordings."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_turn_models import write_turn_1

from streamsrv.engines.turn.calibration import interpolate, problem
from streamsrv.engines.turn.streaming_onnx import StreamingOnnx, StreamingOptions
from tests.recordings import recording


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return __import__("calibrate_turn")


def scored(command: Any, count: int, speaker: str = "a") -> list[Any]:
    """Pauses that are ends as often as their probability says."""
    draws = np.random.default_rng(1).random((count, 2))
    return [command.Scored(speaker, bool(draw < p), float(p)) for p, draw in draws]


def test_the_points_rise_and_say_nothing_where_ends_are_as_frequent_as_other_pauses(command: Any):
    points = command.points(scored(command, 4000))
    assert problem(points) == ""
    assert 2 <= len(points) <= command.MAX_POINTS
    assert interpolate(points, 0.5) == pytest.approx(0.31, abs=0.08)
    assert interpolate(points, 0.97) > 0.8
    assert interpolate(points, 0.03) < 0.05


def test_a_speaker_with_many_pauses_weighs_no_more_than_another(command: Any):
    few, many = scored(command, 200, "few"), scored(command, 200, "many")[::-1]
    assert command.points([*few, *many * 30]) == command.points([*few, *many])


def test_too_few_pauses_give_no_points(command: Any):
    with pytest.raises(ValueError, match="20 of each are needed"):
        command.points(scored(command, 20))


def test_the_command_runs_a_streaming_model_over_a_manifest(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("onnxruntime", reason="needs streamsrv[local]")
    model = StreamingOnnx("tiny", write_turn_1(tmp_path / "tiny.onnx"), StreamingOptions())
    from_catalogue = command.load

    def load(name: str, catalogue: Any, scheduler: Any) -> Any:
        return model if name == "tiny" else from_catalogue(name, catalogue, scheduler)

    monkeypatch.setattr(command, "load", load)
    monkeypatch.setattr(command, "MIN_PAUSES", 1)
    entry = {
        "id": "1",
        "audio": str(recording("two_cities.wav")),
        "speaker": "reader",
        "language": "en",
        "kind": "read",
    }
    (tmp_path / "manifest.jsonl").write_text(json.dumps(entry) + "\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["calibrate_turn.py", "tiny", str(tmp_path / "manifest.jsonl")])
    monkeypatch.setattr(command, "points", lambda _: [(0.1, 0.0), (0.9, 1.0)])  # random weights have none
    command.main()
    told = capsys.readouterr().out
    assert "# tiny: 1 ends and" in told
    assert "ms of CPU time per second of audio" in told
    assert "calibration = [[0.1, 0.0], [0.9, 1.0]]" in told
