"""A virtual sound card (PulseAudio): tests speak into its microphone and record what its speaker plays."""

import contextlib
import json
import os
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from waiting import until

RATE = 24_000
"""Hz of recordings of the speaker."""
SINKS = ("speaker", "mouth", "headset")
"""What the browser plays into, what tests speak into, and a second loudspeaker."""
LOUD = 300
"""RMS of 16-bit samples above which a block has sound in it; the null sink itself is digital silence."""
BLOCK_MS = 20


class Recording:
    """What the speaker played since the recording began; the sound card's clock runs whether or not there is sound."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def samples(self) -> NDArray[np.int16]:
        """Mono, 24 kHz, up to now."""
        data = self._path.read_bytes() if self._path.exists() else b""
        return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2")

    def loud_blocks(self) -> NDArray[np.bool_]:
        """For each 20 ms so far: whether there was sound in it."""
        size = RATE * BLOCK_MS // 1000
        samples = self.samples()
        blocks = samples[: len(samples) // size * size].astype(np.float64).reshape(-1, size)
        return np.sqrt(np.mean(blocks**2, axis=1)) > LOUD

    def heard_ms(self) -> int:
        """How much sound there was so far, silence between words not counted."""
        return int(np.count_nonzero(self.loud_blocks())) * BLOCK_MS

    def quiet_ms(self) -> int:
        """How long it has been silent by now."""
        loud = np.flatnonzero(self.loud_blocks())
        return (len(self.loud_blocks()) - (int(loud[-1]) + 1 if len(loud) else 0)) * BLOCK_MS

    def sound_so_far(self, path: Path) -> Path:
        """Write a WAV file of what was heard from the first sound to the last one up to now."""
        loud = np.flatnonzero(self.loud_blocks())
        begin, end = int(loud[0]), int(loud[-1]) + 1
        block = RATE * BLOCK_MS // 1000
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(self.samples()[begin * block : end * block].tobytes())
        return path

    def wait_for_sound(self, ms: int = 200, seconds: float = 90) -> None:
        until(lambda: self.heard_ms() >= ms, f"{ms} ms of sound from the speaker", seconds)

    def wait_for_quiet(self, ms: int = 2000, seconds: float = 90) -> None:
        until(lambda: self.quiet_ms() >= ms, f"{ms} ms of silence from the speaker", seconds)


class SoundCard:
    """PulseAudio with null sinks. `environment` makes a child process use them as its microphone and speaker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._microphone = ""
        server = f"unix:{folder}/native"
        self.environment = os.environ | {
            "PULSE_SERVER": server,
            "PULSE_SINK": "speaker",
            "PULSE_SOURCE": "microphone",
            "XDG_RUNTIME_DIR": str(folder),
            "HOME": str(folder),
        }

    @contextlib.contextmanager
    def running(self) -> Iterator["SoundCard"]:
        modules = (f"module-native-protocol-unix socket={self._folder}/native auth-anonymous=1", *map(_sink, SINKS))
        command = ["pulseaudio", "--daemonize=no", "--exit-idle-time=-1", "-n", "--log-target=stderr"]
        with (self._folder / "pulseaudio.log").open("wb") as log:
            environment = {**self.environment, "PULSE_SERVER": ""}
            process = subprocess.Popen(
                [*command, *(f"--load={module}" for module in modules)], env=environment, stderr=log
            )
        try:
            until(lambda: self._control("info") is not None, "PulseAudio answers", 20)
            self.plug_in()
            yield self
        finally:
            process.terminate()
            process.wait(10)

    def plug_in(self) -> None:
        """Connect the microphone."""
        # Browsers do not list the monitor of a sink as a microphone, but they do list a source made from it.
        source = "module-remap-source source_name=microphone master=mouth.monitor"
        module = self._control("load-module", *source.split(), "source_properties=device.description=microphone")
        assert module, "PulseAudio makes no microphone"
        self._microphone = module

    def unplug(self) -> None:
        """Take the microphone away, as when its cable is pulled."""
        self._control("unload-module", self._microphone)

    def say(self, *recordings: Path) -> None:
        """Play recordings into the microphone, one after the other; returns when they were said."""
        for recording in recordings:
            command = ["paplay", "--device=mouth", str(recording)]
            subprocess.run(command, env=self.environment, check=True, timeout=120)

    def begin_to_say(self, recording: Path) -> "subprocess.Popen[bytes]":
        """Play a recording into the microphone; returns at once. Wait for the process."""
        return subprocess.Popen(["paplay", "--device=mouth", str(recording)], env=self.environment)

    @contextlib.contextmanager
    def saying(self, recording: Path) -> Iterator[None]:
        """Say a recording while the block runs; at its end, stop."""
        process = self.begin_to_say(recording)
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)

    @contextlib.contextmanager
    def loudspeaker(self) -> Iterator[None]:
        """The microphone hears what the speaker plays, 12 dB quieter, as on a table without headphones.

        Tests that talk over a reply need it: an echo canceller that never hears an echo takes the talking for one.
        """
        loop = "module-loopback source=speaker.monitor sink=mouth latency_msec=40"
        module = self._control("load-module", *loop.split(), "sink_input_properties=media.name=echo")
        assert module, "PulseAudio makes no loop from speaker to microphone"
        inputs = json.loads(self._control("--format=json", "list", "sink-inputs") or "[]")
        echo = next(each for each in inputs if each["properties"].get("media.name") == "echo")
        self._control("set-sink-input-volume", str(echo["index"]), "-12dB")
        try:
            yield
        finally:
            self._control("unload-module", module)

    @contextlib.contextmanager
    def recording(self, sink: str = "speaker") -> Iterator[Recording]:
        """Record what a loudspeaker plays."""
        path = self._folder / f"{sink}.s16"
        path.unlink(missing_ok=True)
        command = ["parec", f"--device={sink}.monitor", f"--rate={RATE}", "--channels=1", "--format=s16le", "--raw"]
        with path.open("wb") as file:
            process = subprocess.Popen([*command, "--latency-msec=50"], env=self.environment, stdout=file)
        try:
            until(lambda: path.stat().st_size > 0, "the recording begins", 20)
            yield Recording(path)
        finally:
            process.terminate()
            process.wait(10)

    def _control(self, *arguments: str) -> str | None:
        """What pactl prints; None if it fails."""
        command = ["pactl", *arguments]
        result = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return result.stdout.strip() if result.returncode == 0 else None


def _sink(name: str) -> str:
    return f"module-null-sink sink_name={name} rate=48000 channels=1 sink_properties=device.description={name}"
