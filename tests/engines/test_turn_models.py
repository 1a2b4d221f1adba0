"""What every end-of-turn model that judges pauses must do, on recorded speech."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.turn.base import MAX_MS, TurnModel
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler
from tests.recordings import recording

ENTRIES = [entry for entry in load_catalogue().values() if entry.kind == "turn" and entry.engine == "smart_turn"]
LONGEST = MAX_MS * SPEECH_RATE_HZ // 1000


@pytest.fixture(scope="module")
def scheduler() -> Generator[Scheduler, None, None]:
    scheduler = Scheduler(1)
    yield scheduler
    scheduler.close()


@pytest.fixture(scope="module", params=ENTRIES, ids=lambda entry: entry.name)
def model(request: pytest.FixtureRequest, scheduler: Scheduler) -> TurnModel:
    entry: ModelEntry = request.param
    if lacking := needs(entry, ModelStore()):
        pytest.skip(f"{entry.name} is not ready: {'; '.join(map(str, lacking))}")
    return load_engine(entry, LoadContext(scheduler, ModelStore().locate(entry)))


@pytest.fixture(scope="module")
def speech() -> NDArray[np.int16]:
    """The opening of a novel, read aloud."""
    return read_audio(recording("two_cities.wav"), SPEECH_RATE_HZ)


def test_the_end_of_a_text_is_an_end(model: TurnModel, speech: NDArray[np.int16]):
    assert 0.8 < model.probability(speech) <= 1


def test_cuts_within_speech_are_mostly_none(model: TurnModel, speech: NDArray[np.int16]):
    cuts = [speech[: int(seconds * SPEECH_RATE_HZ)] for seconds in np.arange(2, 42, 1.37)]
    probabilities = [model.probability(cut) for cut in cuts]
    assert all(0 <= probability <= 1 for probability in probabilities)
    assert np.mean(np.array(probabilities) < 0.5) > 0.7


def test_only_the_last_eight_seconds_count(model: TurnModel, speech: NDArray[np.int16]):
    assert model.probability(speech) == model.probability(speech[-LONGEST:])


def test_less_audio_is_as_if_there_had_been_silence_before(model: TurnModel, speech: NDArray[np.int16]):
    end = speech[-2 * SPEECH_RATE_HZ :]
    assert model.probability(end) == model.probability(np.pad(end, (3 * SPEECH_RATE_HZ, 0)))


@pytest.mark.parametrize("samples", [0, 1, 160, SPEECH_RATE_HZ])
def test_very_little_audio_has_a_probability(model: TurnModel, speech: NDArray[np.int16], samples: int):
    assert 0 <= model.probability(speech[:samples]) <= 1


def test_calls_on_several_threads_do_not_disturb_each_other(model: TurnModel, speech: NDArray[np.int16]):
    cuts = [speech[: seconds * SPEECH_RATE_HZ] for seconds in (3, 9, 20, 44)]
    expected = [model.probability(cut) for cut in cuts]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(model.probability, cuts * 3)) == expected * 3


def test_smart_turn_says_when_its_file_is_broken(scheduler: Scheduler, tmp_path: Path):
    pytest.importorskip("onnxruntime", reason="needs streamsrv[local]")
    broken = tmp_path / "smart_turn.onnx"
    broken.write_bytes(b"not a model")
    entry = ModelEntry("broken", "turn", "smart_turn")
    with pytest.raises(Unavailable, match="broken could not be loaded"):
        load_engine(entry, LoadContext(scheduler, {"smart_turn.onnx": broken}))
