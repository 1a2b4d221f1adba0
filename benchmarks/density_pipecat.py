"""pipecat as `density.py` measures it: its FastAPI WebSocket transport, with or without its Silero VAD.

Runs in an environment of its own, which `density.py` makes; nothing of streamsrv is imported. One pipeline a session:
transport input, VAD, an answer to each marked chunk, transport output. What a pipeline can do without is switched off.
"""

import argparse
import json
import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputTransportMessageUrgentFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

RATE = 16_000
PROBE = b"probe-me"


class RawAudio(FrameSerializer):
    """Binary messages are PCM, and nothing else: the cheapest serialiser there can be."""

    async def serialize(self, frame: Frame) -> str | bytes | None:
        return json.dumps(frame.message) if isinstance(frame, OutputTransportMessageUrgentFrame) else None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        return InputAudioRawFrame(audio=data, sample_rate=RATE, num_channels=1) if isinstance(data, bytes) else None


class Answer(FrameProcessor):
    """Answers chunks that begin with the mark; all other audio ends here."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)
        elif frame.audio.startswith(PROBE):
            await self.push_frame(OutputTransportMessageUrgentFrame(message={"answer": "probe-me"}))


async def run_bot(websocket: WebSocket, vad: bool) -> None:
    params = FastAPIWebsocketParams(audio_in_enabled=True, audio_in_sample_rate=RATE, serializer=RawAudio())
    transport = FastAPIWebsocketTransport(websocket, params)
    detectors = [VADProcessor(vad_analyzer=SileroVADAnalyzer(sample_rate=RATE))] if vad else []
    worker = PipelineWorker(
        Pipeline([transport.input(), *detectors, Answer(), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=RATE),
        idle_timeout_secs=None,
        enable_rtvi=False,
        enable_turn_tracking=False,
    )

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(*_: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vad", action="store_true")
    vad = parser.parse_args().vad
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    app = FastAPI()

    @app.websocket("/")
    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        await run_bot(websocket, vad)

    listener = socket.create_server(("127.0.0.1", 0))
    print(f"Listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, loop="uvloop", log_level="error", access_log=False, ws_per_message_deflate=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
