"""The pipecat server of `density.py`: its FastAPI WebSocket transport with its protobuf format.

Runs in its own environment, which `density.py` creates, and imports nothing of streamsrv. A session is the pipeline of
pipecat's documentation without recogniser, model and voice; turns end by silence alone. With `--bare` it is the
smallest pipeline that works: the transport's input and the voice-activity processor, with all extras off.
"""

import argparse
import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputTransportMessageUrgentFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

MARK = b"probe-me"


class Answer(FrameProcessor):
    """Answers chunks that begin with the mark, and drops all chunks."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)
        elif frame.audio.startswith(MARK):
            await self.push_frame(OutputTransportMessageUrgentFrame(message={"answer": MARK.decode()}))


def documented(transport: FastAPIWebsocketTransport, vad: SileroVADAnalyzer | None) -> PipelineWorker:
    user_params = LLMUserAggregatorParams(
        vad_analyzer=vad, user_turn_strategies=UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy()])
    )
    pair = LLMContextAggregatorPair(LLMContext(), user_params=user_params)
    pipeline = Pipeline([transport.input(), pair.user(), Answer(), transport.output(), pair.assistant()])
    return PipelineWorker(pipeline, params=PipelineParams(), idle_timeout_secs=None)


def bare(transport: FastAPIWebsocketTransport, vad: SileroVADAnalyzer | None) -> PipelineWorker:
    detectors = [VADProcessor(vad_analyzer=vad)] if vad else []
    pipeline = Pipeline([transport.input(), *detectors, Answer(), transport.output()])
    return PipelineWorker(
        pipeline, params=PipelineParams(), idle_timeout_secs=None, enable_rtvi=False, enable_turn_tracking=False
    )


async def run_bot(websocket: WebSocket, options: argparse.Namespace) -> None:
    params = FastAPIWebsocketParams(
        audio_in_enabled=True, audio_out_enabled=not options.bare, serializer=ProtobufFrameSerializer()
    )
    transport = FastAPIWebsocketTransport(websocket, params)
    worker = (bare if options.bare else documented)(transport, SileroVADAnalyzer() if options.vad else None)

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(*_: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vad", action="store_true")
    parser.add_argument("--bare", action="store_true")
    options = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    app = FastAPI()

    @app.websocket("/")
    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        await run_bot(websocket, options)

    listener = socket.create_server(("127.0.0.1", 0))
    print(f"Listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, loop="uvloop", log_level="error", access_log=False, ws_per_message_deflate=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
