"""A reply that takes minutes to speak: the real voice (Hibari), a scripted chat model, a client that reads."""

import base64
import resource
from collections.abc import Iterator

import pytest

from serving import RunningServer, serving
from streamsrv.core.answers import spoken_message
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.base import Message
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import Wire, wire

COUNT = " ".join(map(str, range(1, 201)))
DIGITS = "7391846205" * 60
MAX_GROWTH_MIB = 400
BYTES_PER_S = 48_000


class FakeCountingModel(ScriptedChatModel):
    """Answers with what the user wrote."""

    async def stream(self, messages: list[Message], tools, options):
        self.answers = [messages[-1].content]
        async for delta in super().stream(messages, tools, options):
            yield delta


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    pytest.importorskip("hibari", reason="needs streamsrv[local]")
    scheduler = Scheduler(1)
    voice = load_engine(ModelEntry("hibari", "synthesizer", "hibari"), LoadContext(scheduler, {}))
    with serving(fake_engines(FakeCountingModel(), synthesizer=voice)) as running:
        yield running
    scheduler.close()


async def ask(client: Wire, text: str) -> None:
    content = [{"type": "input_text", "text": text}]
    await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    await client.send("response.create")


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def still_open(client: Wire) -> bool:
    await client.send("session.update", session={"type": "realtime", "instructions": "Count."})
    return (await client.until("session.updated"))["session"]["instructions"] == "Count."


@pytest.mark.parametrize(("text", "min_s"), [(COUNT, 60), (DIGITS, 120)], ids=["1 to 200", "600 digits"])
async def test_a_reply_of_numbers_is_spoken_to_its_end(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, text: str, min_s: int
):
    monkeypatch.setattr(spoken_message, "AHEAD_MS", 3_600_000)  # all of it as soon as it is made: most waits at once
    before_mib, spoken_bytes = peak_mib(), 0
    async with wire(server.realtime_url) as client:
        await ask(client, text)
        while (event := await client.next())["type"] != "response.done":
            if event["type"] == "response.output_audio.delta":
                spoken_bytes += len(base64.b64decode(event["delta"]))
        assert event["response"]["status"] == "completed"
        assert await still_open(client)
    [said] = [each["transcript"] for each in client.received if each["type"] == "response.output_audio_transcript.done"]
    assert said.split() == text.split()
    assert spoken_bytes / BYTES_PER_S > min_s
    assert peak_mib() - before_mib < MAX_GROWTH_MIB


@pytest.mark.parametrize("text", [COUNT, DIGITS], ids=["1 to 200", "600 digits"])
async def test_a_reply_of_numbers_that_is_cancelled_leaves_the_session_open(server: RunningServer, text: str):
    async with wire(server.realtime_url) as client:
        await ask(client, text)
        await client.until("response.output_audio.delta")
        await client.send("response.cancel")
        assert (await client.until("response.done"))["response"]["status"] == "cancelled"
        assert await still_open(client)
