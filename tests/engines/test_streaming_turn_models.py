"""Streaming end-of-turn models, on tiny graphs with random weights and the inputs and outputs of the published ones."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_turn_models import STATES, write_streaming_turn, write_turn_1

from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.turn.base import StreamingTurnModel, TurnScore, is_streaming
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler

pytest.importorskip("onnxruntime", reason="needs streamsrv[local]")
ENTRY = load_catalogue()["turn-1-mini"]
OTHER: dict[str, Any] = {"samples": 640, "end": ["scores[0]", "scores[1]"], "backchannel": "scores[2]"}


@pytest.fixture(scope="module")
def speech() -> NDArray[np.int16]:
    noise = np.random.default_rng(3).standard_normal(16_000 * 3 + 123)
    return (noise * np.linspace(100, 4000, len(noise))).astype(np.int16)


def loaded(graph: Path, entry: ModelEntry = ENTRY, **options: Any) -> StreamingTurnModel:
    scheduler = Scheduler(1)
    try:
        given = replace(entry, options={**entry.options, **options})
        model = load_engine(given, LoadContext(scheduler, {graph.name: graph}))
    finally:
        scheduler.close()
    assert is_streaming(model)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def turn_1(folder: Path) -> StreamingTurnModel:
    return loaded(write_turn_1(folder / "turn-1.onnx"))


@pytest.fixture(scope="module")
def other(folder: Path) -> StreamingTurnModel:
    return loaded(write_streaming_turn(folder / "other.onnx"), ModelEntry("other", "turn", "streaming_onnx"), **OTHER)


@pytest.fixture(params=["turn_1", "other"])
def model(request: pytest.FixtureRequest) -> StreamingTurnModel:
    return request.getfixturevalue(request.param)


def scores(model: StreamingTurnModel, pcm: NDArray[np.int16], piece: int = 0) -> list[TurnScore]:
    stream, found = model.open(), list[TurnScore]()
    for start in range(0, len(pcm), piece or len(pcm)):
        found += stream.feed(pcm[start : start + (piece or len(pcm))])
    return found


def test_a_step_of_160_ms_has_eight_scores_of_20_ms(turn_1: StreamingTurnModel, speech: NDArray[np.int16]):
    assert turn_1.step_ms == 160
    found = scores(turn_1, speech)
    assert [score.until_ms for score in found] == list(range(20, 3000 // 160 * 160 + 20, 20))
    assert len({score.end for score in found}) > 50
    assert {score.backchannel for score in found} == {None}


def test_a_step_of_40_ms_has_a_score_of_the_end_and_one_of_backchannels(
    other: StreamingTurnModel, speech: NDArray[np.int16]
):
    assert other.step_ms == 40
    found = scores(other, speech)
    assert [score.until_ms for score in found] == list(range(40, 3040, 40))
    assert all(score.backchannel is not None and 0 <= score.backchannel <= 1 for score in found)


@pytest.mark.parametrize("piece", [1_600, 512, 333, 7_001])
def test_the_scores_do_not_depend_on_how_the_audio_is_cut(
    model: StreamingTurnModel, speech: NDArray[np.int16], piece: int
):
    assert scores(model, speech, piece) == scores(model, speech)


def test_the_state_is_carried_from_step_to_step_until_a_reset(model: StreamingTurnModel, speech: NDArray[np.int16]):
    stream, second = model.open(), speech[16_000:]
    first = list(stream.feed(second))
    stream.reset()
    assert list(stream.feed(second)) == first
    later = stream.feed(second)
    assert [score.end for score in later[:4]] != [score.end for score in first[:4]]


def test_a_reset_drops_audio_that_fills_no_step(model: StreamingTurnModel, speech: NDArray[np.int16]):
    stream = model.open()
    stream.feed(speech[:100])
    stream.reset()
    assert list(stream.feed(speech)) == scores(model, speech)


def test_streams_do_not_mix(model: StreamingTurnModel, speech: NDArray[np.int16]):
    voices = [speech, speech[::-1].copy(), speech // 3]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda voice: scores(model, voice, 512), voices))
    assert together == [scores(model, voice) for voice in voices]


def test_the_highest_of_several_scores_of_the_end_counts(folder: Path, speech: NDArray[np.int16]):
    graph, entry = write_streaming_turn(folder / "ends.onnx"), ModelEntry("ends", "turn", "streaming_onnx")
    alone = [scores(loaded(graph, entry, samples=640, end=[end]), speech) for end in OTHER["end"]]
    both = scores(loaded(graph, entry, **OTHER), speech)
    assert [score.end for score in both] == [max(a.end, b.end) for a, b in zip(*alone, strict=True)]


def test_log_odds_are_refused_unless_the_entry_says_that_they_are(folder: Path, speech: NDArray[np.int16]):
    graph = write_turn_1(folder / "logits.onnx", logits=True)
    with pytest.raises(ValueError, match="no probabilities; if they are log odds, the option 'is_logit' must say so"):
        scores(loaded(graph), speech)
    plain = write_turn_1(folder / "plain.onnx")
    pairs = zip(scores(loaded(graph, is_logit=True), speech), scores(loaded(plain), speech), strict=True)
    assert all(a.end == pytest.approx(b.end, abs=1e-5) for a, b in pairs)


def test_without_points_the_probability_is_the_evidence(turn_1: StreamingTurnModel):
    assert [turn_1.evidence(p) for p in (0.0, 0.4, 1.0)] == [0.0, 0.4, 1.0]


def test_points_of_the_entry_calibrate_the_probability(folder: Path):
    points = [[0.1, 0.0], [0.5, 0.2], [0.9, 1.0]]
    model = loaded(write_turn_1(folder / "points.onnx"), calibration=points)
    assert [round(model.evidence(p), 6) for p in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)] == [0, 0, 0.1, 0.2, 0.6, 1, 1]


@pytest.mark.parametrize(
    "points",
    [[[0.5, 0.5]], [[0.1, 0.5], [0.9, 0.2]], [[0.5, 0.1], [0.5, 0.2]], [[0.1, 0.2, 0.3], [0.5, 1]], [[0, 0], [1, 2]]],
)
def test_points_that_make_no_line_are_refused(folder: Path, points: list[list[float]]):
    with pytest.raises(Unavailable, match=r"The options of turn-1-mini are wrong: calibration: "):
        loaded(write_turn_1(folder / "wrong-points.onnx"), calibration=points)


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        ({"shape": (1, 80)}, {}, r"none of its inputs that are no state \(audio float \[1, 80\]\) is audio"),
        ({"shape": (2, 2560)}, {}, r"none of its inputs .* is audio: float32, shape \(1, samples\)"),
        ({}, {"end": ["eot"]}, "it has no output 'eot'; it has probs float"),
        ({}, {"end": ["probs[8]"]}, r"'probs\[8\]' is not in its output probs float \[8\]"),
        ({}, {"samples": 640}, r"the option 'samples' is 640, but its input is audio float \[1, 2560\]"),
        ({"shape": (1, "n")}, {}, "takes any length: the option 'samples' must say how many make a call"),
        ({"states": {**STATES, "k": "time"}}, {}, r"the shape of its state state_k float \[1, 'time'\] is not fixed"),
    ],
)
def test_a_graph_that_is_not_understood_is_refused(folder: Path, graph: Any, options: Any, message: str):
    with pytest.raises(Unavailable, match=rf"turn-1-mini: its graph cannot be used: .*{message}"):
        loaded(write_turn_1(folder / "refused.onnx", **graph), **options)


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(Unavailable, match="turn-1-mini could not be loaded"):
        loaded(broken)
