"""The pipecat bot of `voice_to_voice.py`, built as in its documentation, with streamsrv's models.

Runs in its own environment (`peer.py`) and imports nothing of streamsrv. Voice activity (Silero) and end of turn (Smart
Turn) are pipecat's defaults; recogniser, language model and voice are pipecat's OpenAI services, connected to a
streamsrv server on loopback, so that both run the same weights. The bot sends each stage to the client.
"""

import argparse
import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    Frame,
    LLMTextFrame,
    OutputTransportMessageUrgentFrame,
    TranscriptionFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.protobuf import ProtobufFrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner


class Stages(FrameProcessor):
    """Sends a message to the client when frames of these types pass, with their text."""

    def __init__(self, stages: dict[type[Frame], str]) -> None:
        super().__init__()
        self._stages = stages

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        stage = self._stages.get(type(frame))
        if stage is not None and direction is FrameDirection.DOWNSTREAM:
            message = {"stage": stage, "text": getattr(frame, "text", "")}
            await self.push_frame(OutputTransportMessageUrgentFrame(message=message))
        await self.push_frame(frame, direction)


async def run_bot(websocket: WebSocket, options: argparse.Namespace) -> None:
    params = FastAPIWebsocketParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        audio_in_sample_rate=16_000,
        audio_out_sample_rate=24_000,
        serializer=ProtobufFrameSerializer(),
    )
    transport = FastAPIWebsocketTransport(websocket, params)
    service = {"base_url": options.models, "api_key": "none"}
    context = LLMContext([{"role": "system", "content": options.instructions}])
    pair = LLMContextAggregatorPair(context, user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer()))
    pipeline = Pipeline(
        [
            transport.input(),
            OpenAISTTService(**service, settings=OpenAISTTService.Settings(model="moonshine-tiny")),
            Stages({TranscriptionFrame: "transcript"}),
            pair.user(),
            OpenAILLMService(**service, settings=OpenAILLMService.Settings(model=options.chat)),
            Stages({UserStoppedSpeakingFrame: "turn_ended", LLMTextFrame: "first_token"}),
            OpenAITTSService(**service, settings=OpenAITTSService.Settings(voice="alloy")),
            transport.output(),
            pair.assistant(),
        ]
    )
    worker = PipelineWorker(pipeline, params=PipelineParams(), idle_timeout_secs=None)

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(*_: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", help="base URL of an OpenAI-compatible server")
    parser.add_argument("chat", help="name of its language model")
    parser.add_argument("instructions")
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
