"""Audio that a transport gives to a session in a call, because there is nothing to process yet."""

import base64
import json
from typing import Any

import pytest

from driven import Driven, driven, quiet, tone
from streamsrv.engines.vad.base import FRAME_MS
from streamsrv.runtime import driver as driver_module
from streamsrv.runtime.fairness import AUDIO_EVENT_COST, EVENTS_BURST
from streamsrv.testing.fakes import fake_engines


def event(event_type: str, **fields: Any) -> str:
    return json.dumps({"type": event_type, **fields})


def append(audio: bytes) -> str:
    return event("input_audio_buffer.append", audio=base64.b64encode(audio).decode())


async def opened(session: Driven, **audio_input: Any) -> None:
    session.client.configure(audio={"input": {"turn_detection": None, **audio_input}})
    await session.client.until("session.updated")


async def committed_ms(session: Driven) -> float:
    """How much audio the input buffer holds, in whole frames, from the error for committing too little."""
    session.client.say("input_audio_buffer.commit")
    message = (await session.client.until("error"))["error"]["message"]
    return float(message.rpartition("only has ")[2].removesuffix("ms of audio."))


async def test_audio_that_completes_no_frame_is_taken_and_not_lost():
    async with driven(fake_engines()) as session:
        await opened(session)
        assert session.driver.take_text(append(quiet(20)))
        assert session.driver.take_text(append(quiet(10)))
        session.client.append(quiet(10))
        assert await committed_ms(session) == 2 * FRAME_MS


async def test_audio_that_completes_a_frame_is_not_taken():
    async with driven(fake_engines()) as session:
        await opened(session)
        assert session.driver.take_text(append(quiet(20)))
        assert not session.driver.take_text(append(quiet(FRAME_MS)))
        assert await committed_ms(session) == FRAME_MS


async def test_taken_and_received_audio_is_one_recording():
    engines = fake_engines(transcript="as it was said")
    async with driven(engines) as session:
        await opened(session, transcription={"model": "whisper-1"})
        speech = tone(600)
        for start in range(0, len(speech), 960):
            chunk = speech[start : start + 960]
            if not session.driver.take_text(append(chunk)):
                session.client.append(chunk)
                session.client.say("conversation.item.retrieve", item_id="nothing")
                await session.client.until("error")
        session.client.say("input_audio_buffer.commit")
        done = await session.client.until("conversation.item.input_audio_transcription.completed")
        assert done["transcript"] == "as it was said"
        assert done["usage"]["seconds"] == pytest.approx(0.6, abs=0.04)


@pytest.mark.parametrize(
    "frame",
    [
        event("input_audio_buffer.clear"),
        event("conversation.item.retrieve", item_id="x"),
        append(b"odd"),
        event("input_audio_buffer.append", audio="not base64!"),
        event("input_audio_buffer.append", audio="AAAA", unknown=1),
        "no JSON",
        "",
        append(bytes(driver_module.MAX_KEPT_CHARACTERS)),
    ],
)
async def test_everything_else_is_left_to_be_received(frame: str):
    async with driven(fake_engines()) as session:
        await opened(session)
        assert not session.driver.take_text(frame)
        assert await committed_ms(session) == 0


async def test_audio_in_a_new_format_is_left_to_be_received():
    async with driven(fake_engines()) as session:
        await opened(session)
        assert session.driver.take_text(append(quiet(10)))
        await opened(session, format={"type": "audio/pcmu"})
        assert not session.driver.take_text(append(bytes(80)))


async def test_what_is_taken_counts_against_the_allowance_of_its_client():
    async with driven(fake_engines()) as session:
        await opened(session)
        taken = 0
        while session.driver.take_text(append(b"")):
            taken += 1
        assert taken == pytest.approx(EVENTS_BURST / AUDIO_EVENT_COST, rel=0.3)


async def test_nothing_is_taken_after_the_end():
    async with driven(fake_engines()) as session:
        await opened(session)
        await session.leave()
        assert not session.driver.take_text(append(quiet(10)))
