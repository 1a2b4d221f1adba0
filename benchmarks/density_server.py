"""The streamsrv server of `density.py` and `soak.py`: real voice activity, and fakes of the other models.

    python benchmarks/density_server.py --vad silero

Runs like `streamsrv serve` without admission control. The fakes need little CPU time, so the measured work is the
server's own.
"""

import argparse
from collections.abc import AsyncGenerator, Sequence

import uvloop

from streamsrv.app import build_app
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.llm.base import ChatOptions, Delta, Message, Tool
from streamsrv.engines.loaded import Engines
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler
from streamsrv.server import Server, address, bind
from streamsrv.settings import Settings
from streamsrv.testing.fakes import ScriptedChatModel, ScriptedRecognizer, ToneSynthesizer


class ForgetfulChatModel(ScriptedChatModel):
    """A scripted model that does not keep its requests."""

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        async for delta in super().stream(messages, tools, options):
            yield delta
        self.asked.clear()


async def serve(vad: str) -> None:
    entry = load_catalogue()[vad]
    scheduler = Scheduler(1)
    engines = Engines(
        vad=load_engine(entry, LoadContext(scheduler, ModelStore().locate(entry))),
        recognizer=ScriptedRecognizer("as it was said"),
        chat=ForgetfulChatModel(),
        synthesizer=ToneSynthesizer(),
        scheduler=scheduler,
        voice_activity=Scheduler(1, name="voice-activity"),
        chat_by_name={},
    )
    listener = bind("127.0.0.1", 0)
    settings = Settings(max_sessions=10_000, admit_by_load=False, responses_per_minute=1_000_000)
    app = build_app(settings, engines)
    await Server(app, lambda: print(f"Listening on {address(listener)}", flush=True)).serve(sockets=[listener])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vad", default="silero")
    uvloop.run(serve(parser.parse_args().vad))


if __name__ == "__main__":
    main()
