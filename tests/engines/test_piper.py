"""Piper's engine with models that are made here: tiny graphs with a voice's inputs, whose audio shows what they got."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.tts.base import SpeechOptions, Synthesizer
from streamsrv.engines.tts.espeak_ng.command import EspeakRun
from streamsrv.engines.tts.piper_voice.config import PiperConfig, read_config
from streamsrv.engines.tts.piper_voice.phonemes import EspeakPhonemizer, espeak_symbols, joined
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler

IDS = {"_": [0], "^": [1], "$": [2], " ": [3], ".": [4], "a": [5], "b": [6], "ˈ": [7], "h": [8], "l": [9], "o": [10]}
CONFIG: dict[str, Any] = {"audio": {"sample_rate": 16_000}, "phoneme_id_map": IDS, "phoneme_type": "text", "x": 1}
NEEDS_ESPEAK = pytest.mark.skipif(
    any(need.what == "command" for need in needs(load_catalogue()["espeak"], ModelStore())),
    reason="the program espeak-ng is not installed",
)


def tiny_model(path: Path, *, speakers: bool = False, inputs: tuple[str, ...] = ("input", "input_lengths")) -> None:
    """Write a graph whose audio is the numbers that it gets, 1/100 each: phonemes, scales and the speaker."""
    onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
    make, kind = onnx.helper, onnx.TensorProto
    names = [*inputs, "scales", *(["sid"] if speakers else [])]
    types = {"scales": (kind.FLOAT, [3]), "sid": (kind.INT64, [1]), "input_lengths": (kind.INT64, [1])}
    given = [make.make_tensor_value_info(name, *types.get(name, (kind.INT64, [1, "n"]))) for name in names]
    parts = ["input", *(["sid"] if speakers else [])]
    nodes = [make.make_node("Cast", [name], [f"{name}_f"], to=kind.FLOAT) for name in parts]
    nodes += [make.make_node("Flatten", [f"{name}_f"], [f"{name}_r"], axis=0) for name in parts]
    nodes += [
        make.make_node("Flatten", ["scales"], ["scales_r"], axis=0),
        make.make_node("Concat", [*(f"{name}_r" for name in parts), "scales_r"], ["all"], axis=1),
        make.make_node("Mul", ["all", "hundredth"], ["output"]),
    ]
    hundredth = make.make_tensor("hundredth", kind.FLOAT, [1], [0.01])
    result = make.make_tensor_value_info("output", kind.FLOAT, [1, "t"])
    graph = make.make_graph(nodes, "tiny", given, [result], [hundredth])
    opsets = [make.make_opsetid("", 17)]
    onnx.save(make.make_model(graph, opset_imports=opsets, ir_version=8), str(path))


def voice(folder: Path, *, config: dict[str, Any] | None = None, entry: dict[str, Any] | None = None, **model: Any):
    tiny_model(folder / "v.onnx", **model)
    (folder / "v.onnx.json").write_text(json.dumps(CONFIG | (config or {})))
    files = {"v.onnx": folder / "v.onnx", "v.onnx.json": folder / "v.onnx.json"}
    fields = {"languages": ("de",)} | (entry or {})
    return load_engine(ModelEntry("piper-test", "synthesizer", "piper", **fields), LoadContext(Scheduler(1), files))


async def numbers(synthesizer: Synthesizer, text: str, **options: Any) -> list[float]:
    """Return what the tiny model got."""
    chunks = [chunk.pcm async for chunk in synthesizer.stream(text, SpeechOptions(**options))]
    return [round(float(sample) / 327.68, 1) for sample in np.concatenate(chunks)]


async def test_a_tiny_model_gets_padded_phonemes_and_its_own_scales(tmp_path: Path):
    synthesizer = voice(tmp_path, config={"inference": {"noise_scale": 0.5, "length_scale": 1.2, "noise_w": 0.3}})
    assert synthesizer.sample_rate == 16_000
    assert [each.name for each in synthesizer.voices] == ["test"]
    assert await numbers(synthesizer, "Ab?", speed=2.0) == [1, 0, 5, 0, 6, 0, 2, 0.5, 0.6, 0.3]


async def test_a_tiny_model_with_several_speakers_has_a_voice_for_each(tmp_path: Path):
    config = {"num_speakers": 2, "speaker_id_map": {"anna": 0, "bert": 3}}
    synthesizer = voice(tmp_path, config=config, speakers=True)
    assert [each.name for each in synthesizer.voices] == ["anna", "bert"]
    assert (await numbers(synthesizer, "a", voice="bert"))[5] == 3
    assert (await numbers(synthesizer, "a", voice="nobody"))[5] == 0


async def test_what_a_voice_cannot_say_is_no_audio(tmp_path: Path):
    synthesizer = voice(tmp_path)
    assert [chunk async for chunk in synthesizer.stream("你好 zz.", SpeechOptions())] == []


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("{", "v.onnx.json is no configuration of a Piper voice: Input data was truncated"),
        ("[]", "Expected `object`, got `array`"),
        (json.dumps(CONFIG | {"phoneme_type": "pinyin"}), "Invalid enum value 'pinyin'"),
        (json.dumps(CONFIG | {"audio": {"sample_rate": 1}}), "sample_rate"),
        (json.dumps(CONFIG | {"phoneme_id_map": {"a": [1]}}), "phoneme_id_map of v.onnx.json lacks ^ $ _"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, config: str, says: str):
    (tmp_path / "v.onnx.json").write_text(config)
    with pytest.raises(Unavailable) as raised:
        read_config("piper-test", tmp_path / "v.onnx.json")
    assert says in str(raised.value)
    assert "piper-test could not be loaded" in str(raised.value)


def test_a_truncated_model_and_one_that_is_no_voice_are_refused(tmp_path: Path):
    with pytest.raises(Unavailable, match="has inputs input, other, scales: it is no Piper voice"):
        voice(tmp_path, inputs=("input", "other"))
    tiny_model(tmp_path / "v.onnx")
    whole = (tmp_path / "v.onnx").read_bytes()
    (tmp_path / "v.onnx").write_bytes(whole[: len(whole) // 2])
    files = {name: tmp_path / name for name in ("v.onnx", "v.onnx.json")}
    with pytest.raises(Unavailable, match="piper-test could not be loaded"):
        load_engine(ModelEntry("piper-test", "synthesizer", "piper"), LoadContext(Scheduler(0), files))


def test_without_the_program_only_english_has_phonemes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("hibari", reason="the package hibari-tts is not installed")
    monkeypatch.setenv("PATH", "/nowhere")
    phonemes = {"phoneme_type": "espeak", "espeak": {"voice": "en-us"}}
    assert voice(tmp_path, config=phonemes, entry={"languages": ("en",)}).voices[0].speaks("en")
    with pytest.raises(Unavailable, match="the program espeak-ng is not installed"):
        voice(tmp_path, config=phonemes)


@NEEDS_ESPEAK
@pytest.mark.parametrize(
    ("language", "text", "phonemes"),
    [
        ("de", "Das Meeting, heute!", "das mˈeːtɪŋ, hˈɔøtə!"),
        ("en-us", "Dr. Who — yes.", "dˈɑːktɚ. hˈuː jˈɛs."),
        ("en-us", "One, two; (three) four? -x", "wˈʌn, tˈuː; θɹˈiː fˈoːɹ? ˈɛks"),
        ("cmn", "今天，很好。", "tɕˈi5n thˈiɛ5n, χˈəɜn χˈɑu2."),
    ],
)
def test_espeak_writes_the_phonemes_of_clauses_with_their_marks(language: str, text: str, phonemes: str):
    written = EspeakPhonemizer(language).phonemes(text)
    assert written.replace("\u0327", "").split() == phonemes.split()


@pytest.mark.parametrize(
    ("written", "marks", "phonemes"),
    [
        ("a\n\nb\nc\n", [",", "."], "a, b c."),
        ("(en)a(de) b\n", ["!"], "a b!"),
        ("a\n\n\n", [",", "."], "a."),
        ("", ["."], ""),
    ],
)
def test_phonemes_are_joined_with_marks_as_far_as_these_are_known(written: str, marks: list[str], phonemes: str):
    assert joined(written, marks) == phonemes


def test_phonemes_of_hibari_are_written_as_those_of_espeak():
    assert espeak_symbols("ʤˈAk sˈɜɹʧ wˈɔTəɹ Q i.") == "dʒˈeɪk sˈɜːtʃ wˈɔːɾɚ əʊ iː."


def test_a_segment_that_is_cancelled_runs_the_program_no_more(monkeypatch: pytest.MonkeyPatch):
    phonemizer = EspeakPhonemizer("de")
    phonemizer.kill()
    monkeypatch.setattr(EspeakRun, "run", lambda _: pytest.fail("the program was run"))
    assert phonemizer.phonemes("Hallo") == ""


def test_a_configuration_knows_which_phonemes_it_has():
    config = PiperConfig(audio={"sample_rate": 16_000}, phoneme_id_map=IDS)  # type: ignore[arg-type]
    assert config.ids("aXb") == [1, 0, 5, 0, 6, 0, 2]
    assert config.ids("XYZ") == []


async def test_cancelling_stops_the_model(tmp_path: Path):
    """The session is a fake: it waits until it is told to stop, as onnxruntime is told."""
    synthesizer = voice(tmp_path)
    started, stopped = threading.Event(), threading.Event()

    class Waiting:
        def run(self, _: None, __: dict[str, Any], options: Any) -> None:
            started.set()
            while not options.terminate:
                stopped.wait(0.01)
            stopped.set()
            raise RuntimeError("terminated")

    synthesizer._session = Waiting()
    stream = synthesizer.stream("a", SpeechOptions())
    waiting = asyncio.ensure_future(anext(stream))
    assert await asyncio.to_thread(started.wait, 30)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.to_thread(stopped.wait, 30)
