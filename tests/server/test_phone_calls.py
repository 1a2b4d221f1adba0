"""Whole telephone calls over a fake line, with fake engines, in one event loop."""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fake_line import FakeLine
from phone_exchange import AGENT, NUMBER, exchange, quiet, tone
from streamsrv.access.principal import LOOPBACK
from streamsrv.access.refusal import Refusal
from streamsrv.errors import Unavailable
from streamsrv.protocol.session_object import Pcm, Pcma, Pcmu
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from streamsrv.transports.telephony.agents import agent_of
from streamsrv.transports.telephony.recordings import audio_of, list_recordings


@pytest.mark.parametrize("buffers", [True, False])
@pytest.mark.parametrize(
    ("audio_format", "rate", "wire"),
    [(Pcmu(), 8000, "audio/pcmu"), (Pcma(), 8000, "audio/pcma"), (Pcm(), 16000, "audio/pcm")],
)
async def test_a_question_is_answered_in_the_formats_of_the_line(audio_format, rate: int, wire: str, buffers: bool):
    async with exchange(fake_engines(ScriptedChatModel("Two."), "how many")) as world:
        line = FakeLine(buffers=buffers, sample_rate=rate, audio_format=audio_format)
        async with world.ring(line) as caller:
            created = await caller.until("session.created")
            formats = [created["session"]["audio"][side]["format"]["type"] for side in ("input", "output")]
            assert formats == [wire, wire]
            line.speak(np.concatenate([tone(600, rate), quiet(1500, rate)]))
            heard = await caller.until("conversation.item.input_audio_transcription.completed")
            assert heard["transcript"] == "how many"
            await caller.until("output_audio_buffer.started")
            await caller.until("output_audio_buffer.stopped")
            assert 240 <= sum(samples for _, samples in line.sends) * 1000 / rate <= 260
            assert not [event for event in caller.events if event["type"] == "response.output_audio.delta"]


async def test_a_call_is_found_summed_up_and_hung_up_by_its_id():
    async with exchange(fake_engines()) as world:
        line = FakeLine()
        async with world.ring(line) as caller:
            found = world.live.find(caller.call.id, LOOPBACK)
            assert found.id.startswith("rtc_")
            assert (found.summary.provider, found.summary.agent) == ("fake", "desk")
            assert found.summary.caller is not None
            assert "1701234567" not in found.summary.caller
            found.hang_up("The call was hung up.")
            await caller.rest()
            await caller.serving
            assert line.hung_up.is_set()
            assert found.reason == "The call was hung up."


async def test_a_key_is_an_event():
    async with exchange(fake_engines()) as world, world.ring(FakeLine()) as caller:
        caller.line.press("5")
        event = await caller.until("input_audio_buffer.dtmf_event_received")
        assert event["event"] == "5"


async def test_a_refused_caller_who_leaves_is_not_waited_for():
    async with exchange(fake_engines(), max_sessions=1) as world, world.ring(FakeLine()):
        line = FakeLine()
        line.close("The caller hung up.")
        await world.calls.serve(line, AGENT, LOOPBACK)
        assert line.heard_ms < 2000


async def test_an_agent_with_a_bad_session_answers_no_call(caplog):
    async with exchange(fake_engines()) as world:
        line = FakeLine()
        line.close("The caller hung up.")
        await world.calls.serve(line, replace(AGENT, session={"audio": {"output": {"speed": 9}}}), LOOPBACK)
        assert line.hung_up.is_set()
        assert "speed" in caplog.text


@pytest.mark.parametrize("error", [None, Unavailable("The other telephone does not answer.")])
async def test_a_referred_call_ends_unless_that_fails(error):
    async with exchange(fake_engines()) as world, world.ring(FakeLine()) as caller:
        caller.line.transfer_error = error
        if error is None:
            await caller.call.refer("tel:+491")
            await caller.serving
            assert caller.call.why_ended() == ("transferred", "The call was transferred.")
        else:
            with pytest.raises(Unavailable):
                await caller.call.refer("tel:+491")
            assert caller.call.reason is None
        assert caller.line.transfers == ["tel:+491"]


async def test_one_call_is_referred_once_at_a_time():
    async with exchange(fake_engines()) as world:
        line = FakeLine()
        gate = asyncio.Event()

        async def slow(_: str) -> None:
            await gate.wait()

        line.transfer = slow  # type: ignore[method-assign]
        async with world.ring(line) as caller:
            first = asyncio.ensure_future(caller.call.refer("tel:+491"))
            await asyncio.sleep(0)
            with pytest.raises(Refusal):
                await caller.call.refer("tel:+492")
            gate.set()
            await first


async def test_the_server_ends_all_calls_when_it_stops():
    async with exchange(fake_engines()) as world:
        lines = [FakeLine() for _ in range(3)]
        serving = [asyncio.ensure_future(world.calls.serve(line, AGENT, LOOPBACK)) for line in lines]
        while len(world.live) < 3:
            await asyncio.sleep(0)
        await world.calls.aclose()
        await asyncio.gather(*serving)
        assert all(line.hung_up.is_set() for line in lines)


async def test_logs_do_not_tell_the_number_of_the_caller(caplog):
    caplog.set_level("INFO")
    async with exchange(fake_engines()) as world, world.ring(FakeLine()):
        pass
    told = caplog.text + "".join(str(getattr(record, "fields", "")) for record in caplog.records)
    assert "a telephone call begins" in told
    assert "the telephone call has ended" in told
    assert "caller_" in told
    assert "1701234567" not in told


@pytest.mark.parametrize("hangs_up", ["the caller", "the server"])
async def test_a_call_that_ends_in_the_middle_of_a_word_has_a_complete_transcript(hangs_up: str):
    async with exchange(fake_engines(transcript="my number is five")) as world:
        line = FakeLine()
        async with world.ring(line) as caller:
            line.speak(tone(900))
            await caller.until("input_audio_buffer.speech_started")
            if hangs_up == "the caller":
                line.close("The caller hung up.")
            else:
                caller.call.hang_up("The call was hung up.")
            events = await caller.rest()
        told = {event["type"]: event for event in events}
        assert told["conversation.item.input_audio_transcription.completed"]["transcript"] == "my number is five"
        assert "response.created" not in told


async def test_a_call_that_ends_during_a_reply_keeps_what_was_heard_of_it():
    words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    async with exchange(fake_engines(ScriptedChatModel(words + ".")), max_sessions=1) as world:
        line = FakeLine()
        async with world.ring(line) as caller:
            caller.ask()
            await caller.until("output_audio_buffer.started")
            while line.heard_ms < 700:
                await asyncio.sleep(0.01)
            line.close("The network failed.")
            heard_ms = line.heard_ms
            events = await caller.rest()
            truncated = next(event for event in events if event["type"] == "conversation.item.truncated")
            assert 0 < truncated["audio_end_ms"] <= heard_ms + 20
            assert any(event["type"] == "output_audio_buffer.cleared" for event in events)
            await caller.serving
            assert caller.call.why_ended() == ("client_left", "The network failed.")


async def test_an_interrupted_reply_is_shown_to_the_model_as_far_as_it_was_heard():
    """The caller's telephone plays 60 ms a character; what it has played when it is cut off is what the model sees."""
    words = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa."
    chat = ScriptedChatModel(words, "Fine.")
    async with exchange(fake_engines(chat, "stop please")) as world:
        line = FakeLine(delay_s=0.02)
        async with world.ring(line) as caller:
            caller.ask()
            await caller.until("output_audio_buffer.started")
            while line.heard_ms < 2300:  # later than a caller who goes on with the turn
                await asyncio.sleep(0.01)
            speaking = asyncio.ensure_future(line.speak_in_time(np.concatenate([tone(600), quiet(1200)])))
            truncated = await caller.until("conversation.item.truncated")
            assert len(line.clears) >= 1
            assert 0 < truncated["audio_end_ms"] <= line.heard_ms + 20
            await caller.until("response.done")
            await speaking
            while len(chat.asked) < 2:
                await asyncio.sleep(0.01)
            shown = [message.content for message in chat.asked[-1] if message.role == "assistant"]
            heard_characters = line.heard_ms / 60
            assert len(shown) == 1
            assert words.startswith(shown[0])
            assert 0 < len(shown[0]) <= heard_characters + 3


async def test_a_call_is_recorded_only_if_its_agent_records(tmp_path: Path):
    greeting = {**NUMBER, "greeting": "Hello.", "record": True}
    async with exchange(fake_engines(), phone_number=[greeting], recording_folder=tmp_path) as world:
        agent = agent_of(world.service.settings.phone_number[0])
        for records in (False, True):
            line = FakeLine()
            async with world.ring(line, replace(agent, records=records)) as caller:
                await caller.until("output_audio_buffer.started")
                await line.speak_in_time(tone(300))
                call_id = caller.call.id
        await world.calls.aclose()
        (found,) = list_recordings(tmp_path)
        assert (found.id, found.agent, found.provider, found.is_complete) == (call_id, "desk", "fake", True)
        assert found.seconds >= 0.3
        samples = np.frombuffer(audio_of(tmp_path, call_id).read_bytes()[44:], "<i2").reshape(-1, 2)
        assert (abs(samples).max(axis=0) > 1000).all()
