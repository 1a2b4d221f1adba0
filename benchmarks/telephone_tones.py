"""Counts the tones and keys that are found in recorded speech and noise, where there are none, and the CPU time.

    .venv/bin/python benchmarks/telephone_tones.py ../shared/speech/manifest.jsonl [--folder PROMPTS] [--json out.json]

Every recording of the manifest, at its own speed and 20 % slower and faster (other voices), and the recordings (WAV) of
a folder, such as that of Debian's package asterisk-core-sounds-en-wav, go through a telephone line (300 to 3400 Hz,
mu-law), each followed by a second of silence. What is found is a false alarm unless the file holds a tone.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live import machine
from spoken_turns import read_entries
from streamsrv.audio.dtmf import KeyDetector
from streamsrv.audio.files import AudioFileError, read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.audio.tones import ToneDetector
from telephone_line import TELEPHONE_RATE_HZ, Line

SPEEDS = (1.0, 0.8, 1.25)
LINE = Line(speech_db=-20.0, band_limited=True, companding="mu-law")
MIN_S = 0.5


def recordings(manifest: Path, folder: Path | None) -> Iterator[tuple[str, str, NDArray[np.int16]]]:
    """Yield kind, name and audio at 16 kHz."""
    for entry in read_entries(manifest):
        kind = "no speech" if entry["language"] == "zxx" else "speech"
        if entry["kind"] != "rir":
            yield kind, entry["id"], read_audio(manifest.parent / entry["audio"], SPEECH_RATE_HZ)
    for path in sorted(folder.rglob("*.wav")) if folder else ():
        try:
            yield "folder", str(path.relative_to(folder)), read_audio(path, SPEECH_RATE_HZ)
        except AudioFileError:
            continue


def at_speed(pcm: NDArray[np.int16], speed: float) -> NDArray[np.int16]:
    """Return audio played faster or slower, with the pitch."""
    places = np.arange(0, len(pcm) - 1, speed)
    return np.interp(places, np.arange(len(pcm)), pcm).astype(np.int16)


def count(manifest: Path, folder: Path | None) -> dict[str, Any]:
    seconds: dict[str, float] = defaultdict(float)
    found: dict[str, Counter[str]] = defaultdict(Counter)
    cpu_s = {"tones": 0.0, "keys": 0.0}
    for kind, name, pcm in recordings(manifest, folder):
        if len(pcm) < MIN_S * SPEECH_RATE_HZ:
            continue
        for speed in SPEEDS if kind != "folder" else (1.0,):
            carried = LINE.carry(at_speed(pcm, speed))
            carried = np.append(carried, np.zeros(TELEPHONE_RATE_HZ, np.int16))
            seconds[kind] += len(carried) / TELEPHONE_RATE_HZ
            started = time.process_time()
            tones = [tone.value for tone in ToneDetector(TELEPHONE_RATE_HZ).hear(carried)]
            cpu_s["tones"] += time.process_time() - started
            started = time.process_time()
            keys = KeyDetector(TELEPHONE_RATE_HZ).hear(carried)
            cpu_s["keys"] += time.process_time() - started
            if tones or keys:
                print(f"{name} at speed {speed}: {tones} {keys}", flush=True)
            found[kind].update([*tones, *(f"key {key}" for key in keys)])
    total = sum(seconds.values())
    return {
        "hours": {kind: round(length / 3600, 2) for kind, length in seconds.items()},
        "found": {kind: dict(counter) for kind, counter in found.items()},
        "cpu_ms_per_audio_s": {name: round(1000 * spent / total, 2) for name, spent in cpu_s.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--folder", type=Path, help="a folder of more recordings (WAV)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = count(options.manifest, options.folder) | machine()
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
