"""Counts word errors of recognisers on the same recordings at 16 kHz and as they are after telephone lines.

    .venv/bin/python benchmarks/calls_words.py ../shared/speech/manifest.jsonl [--models moonshine-tiny] [--step 2]

English recordings with a reference text, without those that were made by telephone. Voice activity (`silero`) cuts them
as it cuts an upload. Speech is brought to -20 dBFS on a telephone line where the row says nothing else; "soft" rows
have noise at -66 dBFS, and with `gain` go through the gain of telephone calls, one call for all recordings. The
`linear` and `repeated` rows make 16 kHz of 8 kHz by straight lines, and by giving each sample twice, to compare with
the server's resampler.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apart import measure_apart
from live import machine
from spoken_turns import read_entries, scored_entries
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.audio.speech_gain import SpeechGain
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.recordings import recognize_recording
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.word_errors import WordErrors, count_word_errors
from telephone_line import Line, Pcm, clipped, widen

PACKET = SPEECH_RATE_HZ // 50


@dataclass(frozen=True)
class Path8:
    """How a recording comes to the models. `line`: None is as it was recorded."""

    line: Line | None = None
    wide: Callable[[Pcm], Pcm] = widen
    gain: bool = False


def linear(pcm: Pcm) -> Pcm:
    places = np.arange(2 * len(pcm)) / 2
    return clipped(np.interp(places, np.arange(len(pcm)), pcm))


def repeated(pcm: Pcm) -> Pcm:
    return np.repeat(pcm, 2)


def telephone(level_db: float = -20.0, noise_db: float | None = None, **others: Any) -> Line:
    options: dict[str, Any] = {"companding": "mu-law", "band_limited": True} | others
    return Line(speech_db=level_db, noise_db=noise_db, **options)


PATHS = {
    "16 kHz, as recorded": Path8(),
    "8 kHz, mu-law": Path8(Line(companding="mu-law")),
    "8 kHz, A-law": Path8(Line(companding="A-law")),
    "8 kHz, mu-law, linear": Path8(Line(companding="mu-law"), linear),
    "8 kHz, mu-law, repeated": Path8(Line(companding="mu-law"), repeated),
    "telephone, mu-law": Path8(telephone()),
    "telephone, A-law": Path8(telephone(companding="A-law")),
    "telephone, noise -60 dB": Path8(telephone(noise_db=-60)),
    "telephone, noise -50 dB": Path8(telephone(noise_db=-50)),
    "telephone, hum -40 dB": Path8(telephone(hum_db=-40)),
    "telephone, 3 % lost": Path8(telephone(loss=0.03)),
    "telephone, soft -35 dB": Path8(telephone(-35, -66)),
    "telephone, soft -35 dB, gain": Path8(telephone(-35, -66), gain=True),
    "telephone, soft -40 dB": Path8(telephone(-40, -66)),
    "telephone, soft -40 dB, gain": Path8(telephone(-40, -66), gain=True),
}


def amplified(gain: SpeechGain, pcm: Pcm) -> Pcm:
    """Return audio after the gain, packet by packet, with a pause after it."""
    pcm = np.append(pcm, np.zeros(SPEECH_RATE_HZ // 4, np.int16))
    return np.concatenate([gain.process(pcm[start : start + PACKET]) for start in range(0, len(pcm), PACKET)])


async def measure(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Return the share of wrong words for each path."""
    scheduler = Scheduler(threads=1)
    loader = EngineLoader(load_catalogue(), ModelStore(), scheduler, lambda _: None)
    recognizer = loader.load(loader.catalogue.find(name, "recognizer"))
    vad = loader.load(loader.catalogue.find("silero", "vad"))
    entries = [entry for entry in scored_entries(read_entries(options.manifest), "en") if entry["kind"] != "telephone"]
    rates: dict[str, float] = {}
    for title, path in PATHS.items():
        gain, errors = SpeechGain(SPEECH_RATE_HZ), list[WordErrors]()
        for seed, entry in enumerate(entries[:: options.step]):
            pcm = read_audio(options.manifest.parent / entry["audio"], SPEECH_RATE_HZ)
            if path.line is not None:
                pcm = path.wide(path.line.carry(pcm, seed))
            if path.gain:
                pcm = amplified(gain, pcm)
            utterances = recognize_recording(pcm, recognizer, vad, scheduler, RecognitionOptions(language="en"))
            errors.append(count_word_errors(entry["text"], " ".join([found.text async for found in utterances])))
        rates[title] = round(WordErrors.total(errors).rate, 4)
        print(f"{name}: {title}: {rates[title]:.1%}", file=sys.stderr, flush=True)
    rates["words"] = WordErrors.total(errors).words
    scheduler.close()
    return rates


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--models", nargs="+", default=["moonshine-tiny"])
    parser.add_argument("--step", type=int, default=2, help="take every so many-th recording")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.only:
        print(json.dumps(asyncio.run(measure(options.only, options))))
        return
    figures: dict[str, Any] = {name: measure_apart(name, __file__, arguments) for name in options.models}
    print(json.dumps(figures | machine(), indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures | machine(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
