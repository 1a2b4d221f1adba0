"""Measures what noise suppression does to word errors and voice activity, and what it costs.

    .venv/bin/python benchmarks/noise_suppression.py ../shared/speech/manifest.jsonl [--model NAME] [--json out.json]

Level 0 is no suppression, 1 to 4 are those of WebRTC. English recordings of the manifest are mixed with its noises at
several ratios of signal to noise, near the microphone and (`far`) after one of its room impulse responses. Voice
activity (`silero`) cuts them as it cuts an upload. False alarms: frames of the manifest's noises and room tone that
are taken for speech, without the recordings of voices. The seed is fixed.
"""

import argparse
import asyncio
import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live import machine
from streamsrv.audio.files import read_audio
from streamsrv.audio.noise_suppression import MAX_LEVEL, NoiseSuppressor
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.recordings import recognize_recording
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.vad.base import VAD_FRAME_SAMPLES
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.word_errors import WordErrors, count_word_errors

SPEECH = 0.5
LEVELS = range(MAX_LEVEL + 1)
RATIOS_DB = (10, 5, 0)
NOISES = (
    "noise-blanket-rain",
    "noise-blanket-coffee-shop",
    "noise-blanket-train",
    "noise-blanket-boat",
    "noise-stp-background",
    "noise-babble8-dev-1",
)
ROOMS = ("rir-sb-1", "rir-sb-2")
VOICES = ("babble", "baby-cry", "coffee-shop")
"""Noises with voices in them: taking these for speech is no false alarm."""

Pcm = NDArray[np.int16]


class Corpus:
    """The recordings of a manifest, by id."""

    def __init__(self, manifest: Path) -> None:
        lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
        self.entries: dict[str, dict[str, Any]] = {entry["id"]: entry for entry in lines}
        self._folder = manifest.parent

    def pcm(self, name: str) -> Pcm:
        return read_audio(self._folder / self.entries[name]["audio"], SPEECH_RATE_HZ)

    def spoken(self, limit: int) -> list[str]:
        """Return English recordings with a reference, spread over the manifest."""
        found = [
            name
            for name, entry in self.entries.items()
            if entry["language"] == "en" and entry["kind"] == "read" and entry.get("text_quality") == "reference"
            and entry.get("score_wer") is not False and 3 <= entry["duration_s"] <= 12
        ]  # fmt: skip
        return [found[int(index)] for index in np.linspace(0, len(found) - 1, min(limit, len(found)))]


def mixed(speech: Pcm, noise: Pcm, ratio_db: float, random: np.random.Generator) -> Pcm:
    """Return speech with half a second of noise before it and after it."""
    pad = SPEECH_RATE_HZ // 2
    padded = np.pad(speech.astype(np.float64), pad)
    start = int(random.integers(len(noise)))
    repeated = np.resize(np.roll(noise.astype(np.float64), -start), len(padded))
    loud = np.abs(speech) > np.abs(speech).max() / 30
    power = float(np.mean(speech[loud].astype(np.float64) ** 2))
    repeated *= np.sqrt(power / np.mean(repeated**2) / 10 ** (ratio_db / 10))
    sum_ = padded + repeated
    return (sum_ * min(1.0, 32_000 / np.abs(sum_).max())).astype(np.int16)


def in_room(speech: Pcm, response: Pcm) -> Pcm:
    echoed = np.convolve(speech.astype(np.float64), response / np.abs(response).max())[: len(speech)]
    return (echoed / np.abs(echoed).max() * np.abs(speech).max()).astype(np.int16)


def suppressed(pcm: Pcm, level: int) -> Pcm:
    return NoiseSuppressor(level).process(pcm, last=True) if level else pcm


def rate(errors: list[WordErrors]) -> float:
    return round(WordErrors.total(errors).rate, 3)


async def word_errors(corpus: Corpus, engines: tuple[Any, Any, Scheduler], limit: int) -> dict[str, Any]:
    recognizer, vad, scheduler = engines
    names, figures = corpus.spoken(limit), dict[str, Any]()
    rooms = [corpus.pcm(name) for name in ROOMS]

    async def transcribe(pcm: Pcm, text: str) -> WordErrors:
        options = RecognitionOptions(language="en")
        utterances = recognize_recording(pcm, recognizer, vad, scheduler, options)
        return count_word_errors(text, " ".join([utterance.text async for utterance in utterances]))

    for place, level in itertools.product(("near", "far"), LEVELS):
        speech = [corpus.pcm(name) for name in names]
        if place == "far":
            speech = [in_room(pcm, rooms[number % len(rooms)]) for number, pcm in enumerate(speech)]
        texts = [corpus.entries[name]["text"] for name in names]
        key = f"{place} level {level}"
        clean = [await transcribe(suppressed(pcm, level), text) for pcm, text in zip(speech, texts, strict=True)]
        figures[key] = {"clean": rate(clean)}
        for ratio_db in RATIOS_DB:
            random, errors = np.random.default_rng(ratio_db), list[WordErrors]()
            for (number, pcm), text in zip(enumerate(speech), texts, strict=True):
                noise = corpus.pcm(NOISES[number % len(NOISES)])
                errors.append(await transcribe(suppressed(mixed(pcm, noise, ratio_db, random), level), text))
            figures[key][f"{ratio_db} dB"] = rate(errors)
        print(key, figures[key], flush=True)
    return {"recordings": len(names), "words": sum(len(text.split()) for text in texts), "wer": figures}


def voice_activity(corpus: Corpus, vad: Any, limit: int) -> dict[str, Any]:
    """Return the share of frames taken for speech, in noise and in clean speech, by level."""
    quiet = [name for name in corpus.entries if name.startswith(("noise-", "silence-"))]
    noises = [name for name in quiet if not any(voice in name for voice in VOICES)]
    shares: dict[str, Any] = {"recordings": len(noises)}
    for level in LEVELS:
        found = {
            "noise": [corpus.pcm(name) for name in noises],
            "speech": [corpus.pcm(name) for name in corpus.spoken(limit)],
        }
        shares[f"level {level}"] = {
            kind: round(float(np.mean(np.concatenate([heard(vad, suppressed(pcm, level)) for pcm in pcms]))), 4)
            for kind, pcms in found.items()
        }
        print(f"level {level}", shares[f"level {level}"], flush=True)
    return shares


def heard(vad: Any, pcm: Pcm) -> NDArray[np.bool_]:
    frames = np.pad(pcm, (0, -len(pcm) % VAD_FRAME_SAMPLES)).reshape(-1, VAD_FRAME_SAMPLES)
    return np.array(vad.open().probabilities(frames)) >= SPEECH


def cost(pcm: Pcm) -> dict[str, float]:
    """Return the CPU time in ms for a second of audio, whole and in pieces of 128 ms."""
    figures: dict[str, float] = {}
    for name, samples in {"whole": len(pcm), "pieces of 128 ms": 2048}.items():
        suppressor, started = NoiseSuppressor(MAX_LEVEL), time.process_time()
        for start in range(0, len(pcm), samples):
            suppressor.process(pcm[start : start + samples])
        figures[name] = round((time.process_time() - started) * 1000 / (len(pcm) / SPEECH_RATE_HZ), 2)
    return figures


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", default="moonshine-tiny")
    parser.add_argument("--limit", type=int, default=30, help="most recordings of speech")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    scheduler = Scheduler(threads=1)
    loader = EngineLoader(load_catalogue(), ModelStore(), scheduler, print)
    recognizer = await asyncio.to_thread(loader.load, loader.catalogue.find(arguments.model, "recognizer"))
    vad = await asyncio.to_thread(loader.load, loader.catalogue.find("silero", "vad"))
    corpus = Corpus(arguments.manifest)
    figures: dict[str, Any] = {"machine": machine(), "model": arguments.model, "seed": "the ratio in dB"}
    figures["cost_ms_per_audio_s"] = cost(np.concatenate([corpus.pcm(name) for name in NOISES]))
    print(figures["cost_ms_per_audio_s"], flush=True)
    figures["voice_activity"] = voice_activity(corpus, vad, arguments.limit)
    figures["words"] = await word_errors(corpus, (recognizer, vad, scheduler), arguments.limit)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    scheduler.close()


if __name__ == "__main__":
    asyncio.run(main())
