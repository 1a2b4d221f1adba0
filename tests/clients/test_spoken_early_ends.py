"""Turns that are ended too early, with recorded speech and stock clients: the user goes on when the reply begins.

Voice activity, end of turn, recogniser and voice are the embedded ones; the language model is a fake, so that what it
was asked can be read.
"""

import asyncio
from collections.abc import Generator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from openai import AsyncOpenAI

from client_audio import RATE, silence
from openai_talk import talking
from recordings import recording
from serving import RunningServer, serving
from streamsrv.audio.files import read_audio
from streamsrv.core.turns.barge_in import CERTAIN_MS
from streamsrv.core.turns.echo import words_of
from streamsrv.engines.startup import load_engines
from streamsrv.errors import EngineError
from streamsrv.settings import Settings
from streamsrv.testing.fakes import ScriptedChatModel

pytestmark = pytest.mark.slow

FIRST, REST = (0, 1300), (1700, 3000)
"""Ms of the recording: "Ever tried." and "Ever failed."."""
ONSET_MS = 188
"""Where the rest begins to be voiced, from its begin on."""
SILENT_MS = CERTAIN_MS + 64
"""Audio of the user until a reply is silenced that cannot be held and was heard in part: its echo may be as loud as the
user, so that words or so much speech decide; and where frames and chunks begin."""
CHUNK_MS = 20
REPLY = "I am glad to hear about all of that. Please tell me more about it, whenever you are ready for it."
SESSION: dict[str, Any] = {"audio": {"input": {"transcription": {}, "turn_detection": {"type": "semantic_vad"}}}}


@pytest.fixture
def scripted() -> ScriptedChatModel:
    return ScriptedChatModel(*[REPLY] * 8)


@pytest.fixture
def hearing_server(scripted: ScriptedChatModel) -> Generator[RunningServer]:
    """A server that hears and speaks with the embedded engines; skips when their packages or weights are missing."""
    try:
        engines = asyncio.run(load_engines(Settings(chat="smollm2-135m"), print))
    except (EngineError, ImportError) as error:
        pytest.skip(str(error))
    with serving(replace(engines, chat=scripted), webrtc_hosts="127.0.0.1", webrtc_processes=1) as running:
        yield running
    asyncio.run(engines.aclose())


def part(span_ms: tuple[int, int]) -> NDArray[np.int16]:
    begin, end = (ms * RATE // 1000 for ms in span_ms)
    return read_audio(recording("beckett.wav"), RATE)[begin:end]


def assert_whole(chat: ScriptedChatModel, first: str, rest: str) -> None:
    """The last answer is to both halves as one message, and nothing of the false reply is in its context."""
    messages = chat.asked[-1][1:]
    assert [message.role for message in messages] == ["user"], messages
    assert words_of(messages[0].content) == words_of(f"{first} {rest}")


async def test_a_stock_client_that_goes_on_is_heard(hearing_server: RunningServer, scripted: ScriptedChatModel) -> None:
    """A request behind each chunk tells when the server has heard it, so the pace is that of the server."""
    async with talking(hearing_server) as talk:
        await talk.update(**SESSION)
        await talk.say(part(FIRST))
        while not talk.of("input_audio_buffer.speech_stopped"):
            await talk.send(silence(CHUNK_MS).tobytes())
            await talk.update()
        false = await talk.until("response.output_audio.delta")
        rest, heard_ms = part(REST), 0
        for chunk in chunks(rest):
            await talk.send(chunk.tobytes())
            await talk.update()
            heard_ms += CHUNK_MS
            if len(talk.of("input_audio_buffer.speech_started")) == 2:
                break
        assert heard_ms - ONSET_MS <= SILENT_MS, f"the reply fell silent after {heard_ms - ONSET_MS} ms of speech"
        await talk.connection.conversation.item.truncate(item_id=false.item_id, content_index=0, audio_end_ms=100)
        await talk.say(rest[heard_ms * RATE // 1000 :])
        await talk.say(silence(3000))
        await talk.until("response.created")
        done = await talk.until("response.done")
    said = [event.transcript for event in talk.of("conversation.item.input_audio_transcription.completed")]
    assert done.response.status == "completed"
    assert not talk.of("error")
    assert len(said) == 2, said
    assert_whole(scripted, *said)


async def test_a_caller_over_webrtc_who_goes_on_is_heard(
    hearing_server: RunningServer, scripted: ScriptedChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiortc", reason="aiortc is not installed (the extra webrtc)")
    from webrtc_talk import calling

    def loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return ["127.0.0.1"]

    monkeypatch.setattr("aioice.ice.get_host_addresses", loopback)
    async with (
        AsyncOpenAI(base_url=hearing_server.http_url, api_key="any") as client,
        calling(client, {"type": "realtime", **SESSION}) as call,
    ):
        call.microphone.say(part(FIRST))
        await call.until("output_audio_buffer.started")
        call.microphone.say(part(REST))
        await call.until("output_audio_buffer.cleared")
        await call.until("output_audio_buffer.stopped")
    said = [
        event["transcript"]
        for event in call.events
        if event["type"] == "conversation.item.input_audio_transcription.completed"
    ]
    assert len(said) == 2, said
    assert_whole(scripted, *said)


def chunks(pcm: NDArray[np.int16]) -> list[NDArray[np.int16]]:
    step = RATE * CHUNK_MS // 1000
    return [pcm[begin:end] for begin, end in pairwise(range(0, len(pcm) + 1, step))]
