"""Recordings of a manifest as turns: frames with voice activity, up to the last speech, and their reference text.

The manifest has one JSON object a line: `audio` (a path relative to the manifest), `text`, `language`, `kind`, and
optionally `text_quality` (only `reference` is scored) and `score_wer`. Entries of the language `zxx` have no speech.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.vad.base import VAD_FRAME_SAMPLES, Vad

SPEECH = 0.5
NOISE_SEED = 11


@dataclass(frozen=True)
class Turn:
    """`frames` of 512 samples at 16 kHz, and whether each is `speech`; the last frame is."""

    kind: str
    language: str
    text: str
    frames: NDArray[np.int16]
    speech: NDArray[np.bool_]


def read_entries(manifest: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]


def scored_entries(entries: Sequence[dict[str, Any]], language: str) -> list[dict[str, Any]]:
    """Return the entries of a language whose text was written by a person who knows it."""
    return [
        entry
        for entry in entries
        if entry["language"] == language and entry.get("text_quality") == "reference"
        if entry.get("score_wer", True) and entry["text"]
    ]


def spread(entries: Sequence[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Return at most `limit` entries, spread evenly."""
    return list(entries[:: max(1, -(-len(entries) // limit))][:limit])


def read_turns(manifest: Path, entries: Sequence[dict[str, Any]], vad: Vad) -> list[Turn]:
    """Return the turns of the entries in which there is speech."""
    turns: list[Turn] = []
    for entry in entries:
        pcm = read_audio(manifest.parent / entry["audio"], SPEECH_RATE_HZ)
        turn = turn_of(entry["kind"], entry["language"], entry["text"], pcm, vad)
        turns += [] if turn is None else [turn]
    return turns


def turn_of(kind: str, language: str, text: str, pcm: NDArray[np.int16], vad: Vad) -> Turn | None:
    frames = np.pad(pcm, (0, -len(pcm) % VAD_FRAME_SAMPLES)).reshape(-1, VAD_FRAME_SAMPLES)
    speech = np.array(vad.open().probabilities(frames)) >= SPEECH
    if not speech.any():
        return None
    end = int(np.flatnonzero(speech)[-1]) + 1
    return Turn(kind, language, text, frames[:end], speech[:end])


def with_noise(turns: Sequence[Turn], noises: Sequence[NDArray[np.int16]], snr_db: float, vad: Vad) -> list[Turn]:
    """Return the turns with a piece of a noise each, chosen by a fixed seed, at a ratio of the mean powers."""
    random, noisy = np.random.default_rng(NOISE_SEED), list[Turn]()
    for turn in turns:
        speech = turn.frames.reshape(-1).astype(np.float32)
        noise = np.resize(noises[random.integers(len(noises))], len(speech)).astype(np.float32)
        noise = np.roll(noise, int(random.integers(len(noise))))
        spoken = speech.reshape(-1, VAD_FRAME_SAMPLES)[turn.speech]
        gain = np.sqrt(np.mean(spoken**2) / max(float(np.mean(noise**2)), 1.0) / 10 ** (snr_db / 10))
        mixed = np.clip(speech + gain * noise, -32768, 32767).astype(np.int16)
        heard = turn_of(turn.kind, turn.language, turn.text, mixed, vad)
        noisy.append(heard or replace(turn, frames=mixed.reshape(-1, VAD_FRAME_SAMPLES)))
    return noisy
