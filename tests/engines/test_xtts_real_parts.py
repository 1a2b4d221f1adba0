"""Parts of XTTS's serving loop against PyTorch, transformers and coqui-tts; run by `.ci/torch`."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_xtts import files_of, make_tiny_xtts, narrow_vocoder, options

from streamsrv.engines.tts.process.messages import Load
from streamsrv.engines.tts.xtts_model.frames import FrameGrid

if find_spec("TTS") is None:
    pytest.skip("needs streamsrv[xtts]; .ci/torch runs these tests", allow_module_level=True)

torch: Any = import_module("torch")
graphs: Any = import_module("streamsrv.engines.tts.xtts_model.graphs")
SCALES = (4.0, 24_000 / 22_050)


@pytest.mark.parametrize("speed", [1.0, 0.5, 0.83, 1.25, 2.0])
@pytest.mark.parametrize("latents", [2, 3, 10, 57, 240])
def test_frames_are_those_of_the_interpolation_in_steps(speed: float, latents: int):
    torch.manual_seed(0)
    given = torch.randn(1, 8, latents)
    wanted = given
    for scale in (1 / speed, *SCALES):
        if scale != 1.0:
            wanted = torch.nn.functional.interpolate(wanted, scale_factor=scale, mode="linear")
    grid = FrameGrid((1 / speed, *SCALES))
    assert grid.total(latents) == wanted.shape[-1]
    known = grid.known(latents)
    assert known <= grid.total(latents)
    for start in range(0, grid.total(latents), 29):
        count = min(41, grid.total(latents) - start)
        for length in [latents, None] if start + count <= known else [latents]:
            first, weights = grid.weights(start, count, length)
            assert first + weights.shape[1] <= latents
            made = given[0, :, first : first + weights.shape[1]].T.numpy()
            np.testing.assert_allclose(weights @ made, wanted[0, :, start : start + count].T, atol=2e-3)


def test_tokens_are_chosen_as_by_the_processors_of_transformers():
    transformers = import_module("transformers")
    gpt = import_module("streamsrv.engines.tts.xtts_model.gpt")
    torch.manual_seed(1)
    logits = torch.randn(1, 300) * 4
    spoken = torch.tensor([[1, 5, 5, 77, 200]])
    processors = transformers.LogitsProcessorList(
        [
            transformers.RepetitionPenaltyLogitsProcessor(5.0),
            transformers.TemperatureLogitsWarper(0.75),
            transformers.TopKLogitsWarper(50),
            transformers.TopPLogitsWarper(0.85),
        ]
    )
    wanted = torch.softmax(processors(spoken, logits.clone()), -1)[0]
    seen = torch.zeros(1, 300, dtype=torch.bool)
    seen[0, spoken[0]] = True
    draws = 20_000
    sampling = gpt.Sampling(0.75, 50, 0.85, 5.0)
    chosen = sampling.choose(logits.expand(draws, -1), seen.expand(draws, -1))
    shares = torch.bincount(chosen, minlength=300) / draws
    assert set(chosen.tolist()) <= set(wanted.nonzero()[:, 0].tolist())
    torch.testing.assert_close(shares, wanted, atol=0.02, rtol=0)
    assert gpt.Sampling(0.75, 1, 0.85, 5.0).choose(logits, seen).item() == wanted.argmax().item()


def test_a_checkpoint_of_the_published_form_is_loaded_and_not_written_anew(tmp_path: Path, monkeypatch: Any):
    loading = import_module("streamsrv.engines.tts.xtts_model.loading")
    configs = import_module("TTS.tts.configs.xtts_config")
    xtts = import_module("TTS.tts.models.xtts")
    with narrow_vocoder():
        folder = make_tiny_xtts(tmp_path / "published")
        path = folder / "model.pth"
        weights = torch.load(path)["model"]
        config = configs.XttsConfig()
        config.load_json(str(folder / "config.json"))
        with monkeypatch.context() as patch:  # the published file names the classes where they were at that time
            for kind in (configs.XttsArgs, configs.XttsAudioConfig):
                patch.setattr(kind, "__module__", xtts.__name__)
            torch.save({"model": weights, "config": config}, path)
        before = path.read_bytes()
        model = loading.load_model(files_of(folder), options())
    assert path.read_bytes() == before
    torch.testing.assert_close(model.state_dict()["gpt.mel_head.weight"], weights["gpt.mel_head.weight"])


def test_too_little_memory_is_said_with_its_remedy(monkeypatch: Any):
    loop = import_module("streamsrv.engines.tts.xtts_model.loop")

    def fail(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(loop, "load_model", fail)
    with pytest.raises(RuntimeError, match="memory is too small; set the option streams lower: CUDA out of memory"):
        loop.open_loop(Load("", "tiny", {}, {}))


def test_languages_that_cannot_be_read_here_are_left_out(monkeypatch: Any):
    loading = import_module("streamsrv.engines.tts.xtts_model.loading")
    model = type("Model", (), {"config": type("Config", (), {"languages": ["en", "zh-cn", "ja"]})})
    assert loading.spoken_languages(model) == ["en", "zh", "ja"]
    monkeypatch.setattr(loading, "find_spec", lambda name: None if name == "pypinyin" else object())
    assert loading.spoken_languages(model) == ["en", "ja"]


def test_graphs_are_made_for_sizes_up_to_the_largest_that_is_needed():
    assert graphs.sizes_up_to(8, (1, 2, 4, 8, 16)) == (1, 2, 4, 8)
    assert graphs.sizes_up_to(100, (1, 64, 128)) == (1, 64, 100)
