"""What every voice-activity detector must do, on recorded speech."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.audio.files import read_audio
from streamsrv.audio.pcm import level_dbfs
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.vad.base import VAD_FRAME_SAMPLES, Vad
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler
from tests.recordings import recording

ENTRIES = [entry for entry in load_catalogue().values() if entry.kind == "vad"]
Frames = NDArray[np.int16]


def frames_of(pcm: NDArray[np.int16]) -> Frames:
    return pcm[: pcm.size // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES].reshape(-1, VAD_FRAME_SAMPLES)


def noise(level: int, seconds: int) -> Frames:
    """White noise of a standard deviation of `level`."""
    samples = np.random.default_rng(7).standard_normal(seconds * SPEECH_RATE_HZ) * level
    return frames_of(samples.astype(np.int16))


@pytest.fixture(scope="module")
def scheduler() -> Generator[Scheduler, None, None]:
    scheduler = Scheduler(1)
    yield scheduler
    scheduler.close()


@pytest.fixture(scope="module", params=ENTRIES, ids=lambda entry: entry.name)
def vad(request: pytest.FixtureRequest, scheduler: Scheduler) -> Vad:
    entry: ModelEntry = request.param
    if lacking := needs(entry, ModelStore()):
        pytest.skip(f"{entry.name} is not ready: {'; '.join(map(str, lacking))}")
    return load_engine(entry, LoadContext(scheduler, ModelStore().locate(entry)))


@pytest.fixture(scope="module", params=["two_cities.wav", "beckett.wav"])
def speech(request: pytest.FixtureRequest) -> Frames:
    """The first ten seconds of people reading."""
    return frames_of(read_audio(recording(request.param), SPEECH_RATE_HZ)[: 10 * SPEECH_RATE_HZ])


def test_speech_scores_high(vad: Vad, speech: Frames):
    probabilities = vad.open().probabilities(speech)
    assert len(probabilities) == len(speech)
    assert all(0 <= probability <= 1 for probability in probabilities)
    levels = np.array([level_dbfs(frame) for frame in speech])
    voiced = np.array(probabilities)[levels > np.quantile(levels, 2 / 3)]  # the readers pause, and long
    assert np.mean(voiced > 0.5) > 0.85


def test_digital_silence_scores_low(vad: Vad):
    assert max(vad.open().probabilities(noise(0, 3))) < 0.2


@pytest.mark.parametrize("level", [3, 30, 300])
def test_low_noise_scores_low(vad: Vad, level: int):
    probabilities = np.array(vad.open().probabilities(noise(level, 5)))
    assert np.mean(probabilities) < 0.2
    assert max(probabilities[len(probabilities) // 2 :]) < 0.3


def test_the_end_of_speech_is_found(vad: Vad, speech: Frames):
    probabilities = vad.open().probabilities(np.concatenate([speech, noise(3, 1)]))
    assert max(probabilities[-10:]) < 0.3


@pytest.mark.parametrize("batch", [1, 3, 50])
def test_the_batches_do_not_matter(vad: Vad, speech: Frames, batch: int):
    stream = vad.open()
    in_batches = [
        probability
        for start in range(0, len(speech), batch)
        for probability in stream.probabilities(speech[start : start + batch])
    ]
    assert in_batches == vad.open().probabilities(speech)


def test_no_frames_give_no_probabilities(vad: Vad):
    assert vad.open().probabilities(np.empty((0, VAD_FRAME_SAMPLES), np.int16)) == []


def test_streams_do_not_hear_each_other(vad: Vad, speech: Frames):
    talking, silent = vad.open(), vad.open()
    quiet = noise(3, 10)
    mixed = [(talking.probabilities(speech[i : i + 1]), silent.probabilities(quiet[i : i + 1])) for i in range(100)]
    assert [probability for [probability], _ in mixed] == vad.open().probabilities(speech[:100])
    assert [probability for _, [probability] in mixed] == vad.open().probabilities(quiet[:100])


def test_streams_may_run_on_several_threads(vad: Vad, speech: Frames):
    expected = vad.open().probabilities(speech)
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: vad.open().probabilities(speech), range(8)))
    assert results == [expected] * 8


def test_silero_sees_64_samples_before_each_frame_as_its_authors_say(speech: Frames, scheduler: Scheduler):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs streamsrv[local]")
    entry = load_catalogue()["silero"]
    if ModelStore().missing(entry):
        pytest.skip("silero is not ready: streamsrv pull silero")
    files = ModelStore().locate(entry)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = onnxruntime.InferenceSession(files["silero_vad.onnx"], options, providers=["CPUExecutionProvider"])
    padded = np.concatenate([np.zeros(64), speech.reshape(-1)]).astype(np.float32) / 32768
    state, expected = np.zeros((2, 1, 128), np.float32), []
    for start in range(0, 30 * VAD_FRAME_SAMPLES, VAD_FRAME_SAMPLES):
        inputs = {"input": padded[None, start : start + 64 + VAD_FRAME_SAMPLES], "state": state, "sr": np.array(16000)}
        probability, state = model.run(None, inputs)
        expected.append(float(probability[0, 0]))
    vad = load_engine(entry, LoadContext(scheduler, files))
    assert vad.open().probabilities(speech[:30]) == pytest.approx(expected, abs=1e-4)


def test_webrtc_hears_every_sample_once():
    pytest.importorskip("webrtcvad", reason="needs streamsrv[local]")
    from streamsrv.engines.vad.webrtc import WebrtcStream

    class FakeDetector:
        heard = b""

        def is_speech(self, buf: bytes, sample_rate: int) -> bool:
            assert (len(buf), sample_rate) == (2 * 480, 16000)
            self.heard += buf
            return True

    detector, frames = FakeDetector(), noise(1000, 2)
    probabilities = WebrtcStream(detector).probabilities(frames)
    assert len(detector.heard) == frames.size // 480 * 960
    assert frames.tobytes().startswith(detector.heard)
    assert probabilities == sorted(probabilities)
    assert probabilities[0] == 0.5


def test_silero_says_when_its_file_is_broken(scheduler: Scheduler, tmp_path: Path):
    pytest.importorskip("onnxruntime", reason="needs streamsrv[local]")
    broken = tmp_path / "silero_vad.onnx"
    broken.write_bytes(b"not a model")
    entry = ModelEntry("broken", "vad", "silero")
    with pytest.raises(Unavailable, match="broken could not be loaded"):
        load_engine(entry, LoadContext(scheduler, {"silero_vad.onnx": broken}))
