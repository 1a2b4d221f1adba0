"""The streamsrv server of `webrtc.py`: its WebRTC transport with an echo instead of session and models.

    python benchmarks/webrtc_server.py [--listen]

The echo gets the microphone audio that a session would get, and sends speech as a session does. With `--listen` it
detects tones instead.
"""

import argparse
import time
from typing import Any

import numpy as np
import uvloop
from numpy.typing import NDArray

from streamsrv.app import build_app
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.core.inputs import PlaybackReported
from streamsrv.runtime.channel import Channel, ChannelClosed, Speaker
from streamsrv.server import Server, address, bind
from streamsrv.settings import Settings
from streamsrv.testing.fakes import fake_engines
from streamsrv.transports.webrtc import calls as webrtc
from webrtc_tones import ToneDetector, tone_event

SPARE_SAMPLES = SPEECH_RATE_HZ * 30 // 1000
"""Samples that may wait for playback after a frame was taken: most of the next frame, and a reserve for jitter."""
QUIET = 300


class Echo:
    """Takes the place of the driver of a session."""

    def __init__(self, core: Any, engines: Any, channel: Channel, *_: Any, speaker: Speaker) -> None:
        self._channel = channel
        self._speaker = speaker
        self._given = 0  # samples
        self._excess = 0

    def handle(self, happened: object) -> None:
        """Handle playback reports, which show whether a delay has left too many samples waiting."""
        if isinstance(happened, PlaybackReported):
            waiting = self._given - happened.audio_ms * SPEECH_RATE_HZ // 1000
            self._excess = waiting - SPARE_SAMPLES

    async def run(self) -> None:
        try:
            while True:
                frame = await self._channel.receive()
                if isinstance(frame, np.ndarray):
                    await self._take(frame)
        except ChannelClosed:
            pass

    async def _take(self, pcm: NDArray[np.int16]) -> None:
        if self._excess > 0 and np.abs(pcm).max() < QUIET:  # catch up in quiet parts, as live players do
            pcm, self._excess = pcm[self._excess :], self._excess - len(pcm)
        self._given += len(pcm)
        self._speaker.play("echo", pcm, SPEECH_RATE_HZ)


class Listener(Echo):
    """Reports the detected tones and their times to the caller."""

    def __init__(self, *arguments: Any, speaker: Speaker) -> None:
        super().__init__(*arguments, speaker=speaker)
        self._detector = ToneDetector(SPEECH_RATE_HZ)

    async def _take(self, pcm: NDArray[np.int16]) -> None:
        tone = self._detector.hear(pcm, time.monotonic())
        if tone is not None:
            await self._channel.send(tone_event(tone).encode())


async def serve() -> None:
    listener = bind("127.0.0.1", 0)
    app = build_app(Settings(max_sessions=1000), fake_engines())
    await Server(app, lambda: print(f"Listening on {address(listener)}", flush=True)).serve(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", action="store_true")
    webrtc.SessionDriver = Listener if parser.parse_args().listen else Echo
    uvloop.run(serve())


if __name__ == "__main__":
    main()
