"""streamsrv as `density.py` measures it: real voice activity, and fakes in place of the other models.

    python benchmarks/density_server.py --vad silero

Runs as `streamsrv serve` does. The fakes cost next to nothing: what is left is the server's own work.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator

import numpy as np
import uvloop
from numpy.typing import NDArray

from streamsrv.app import build_app
from streamsrv.asr.base import RecognitionOptions, Transcript
from streamsrv.config import Settings
from streamsrv.inference.scheduler import Scheduler
from streamsrv.llm.base import ChatModel
from streamsrv.providers.catalogue import load_catalogue
from streamsrv.providers.engines import Engines
from streamsrv.providers.loading import LoadContext, load_engine
from streamsrv.providers.weights import ModelStore
from streamsrv.server import Server, address, bind


class FakeRecognizer:
    """Hears the same words in whatever is said."""

    name = "fake"

    def open(self, options: RecognitionOptions) -> "FakeRecognition":
        return FakeRecognition()

    async def aclose(self) -> None: ...


class FakeRecognition:
    def __init__(self) -> None:
        self._finished = asyncio.Event()

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None: ...

    def finish(self) -> None:
        self._finished.set()

    async def aclose(self) -> None: ...

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        await self._finished.wait()
        yield Transcript("as it was said", is_final=True)


class UnusedModel:
    """Stands where a chat model and a synthesiser stand; the sessions ask for no response."""

    name = "unused"
    sample_rate = 24_000
    voices = ("unused",)

    async def prepare(self, messages: object) -> None: ...

    async def aclose(self) -> None: ...


async def serve(vad: str) -> None:
    entry = load_catalogue()[vad]
    unused: ChatModel = UnusedModel()  # type: ignore[assignment]
    scheduler = Scheduler(1)
    engines = Engines(
        vad=load_engine(entry, LoadContext(scheduler, ModelStore().locate(entry))),
        recognizer=FakeRecognizer(),  # type: ignore[arg-type]
        chat=unused,
        synthesizer=unused,  # type: ignore[arg-type]
        scheduler=scheduler,
        voice_activity=Scheduler(1, name="voice-activity"),
        chat_by_name={},
    )
    listener = bind("127.0.0.1", 0)
    app = build_app(Settings(max_sessions=10_000, admit_by_load=False), engines)
    await Server(app, lambda: print(f"Listening on {address(listener)}", flush=True)).serve(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vad", default="silero")
    uvloop.run(serve(parser.parse_args().vad))


if __name__ == "__main__":
    main()
