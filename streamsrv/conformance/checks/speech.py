"""Checks of turn detection, transcription and interruption with a recording of a person."""

import numpy as np

from streamsrv.audio import g711
from streamsrv.conformance.check import Checks
from streamsrv.conformance.checks.responses import reason_of
from streamsrv.conformance.session import Session, Target, opening
from streamsrv.conformance.shapes import Event
from streamsrv.conformance.speech import WORDS, silence, spoken_question
from streamsrv.conformance.violations import Inconclusive, require

checks = Checks("speech")

MIN_WORDS = 3
"""Fewest words of the recording that its transcript must contain."""
_TRANSCRIPTION = {"model": "gpt-4o-mini-transcribe"}
_COMPLETED = "conversation.item.input_audio_transcription.completed"
_LONG = "Whatever you are asked: count from one to one hundred in words, without leaving any number out."


def _check_words(completed: Event) -> None:
    heard = completed["transcript"].lower().replace("?", "").replace(".", "").split()
    found = [word for word in WORDS.split() if word in heard]
    require(len(found) >= MIN_WORDS, f"'{WORDS}' was transcribed as '{completed['transcript']}'.")
    require(completed.get("usage"), "The transcript has no usage.")


@checks
async def a_detected_turn(target: Target) -> None:
    """A spoken turn is detected, committed, transcribed and answered; its times increase."""
    async with opening(target) as session:
        await session.update(audio={"input": {"transcription": _TRANSCRIPTION}})
        await session.append(spoken_question() + silence())
        started = await session.until("input_audio_buffer.speech_started")
        stopped = await session.until("input_audio_buffer.speech_stopped")
        begin_ms, end_ms = started["audio_start_ms"], stopped["audio_end_ms"]
        require(0 <= begin_ms < end_ms, f"speech_started says {begin_ms} ms, speech_stopped {end_ms} ms.")
        length_ms = len(spoken_question() + silence()) // 48
        require(end_ms <= length_ms, f"speech_stopped says {end_ms} ms, but only {length_ms} ms were sent.")
        committed = await session.until("input_audio_buffer.committed")
        require(committed["item_id"] == started["item_id"], "committed names another item than speech_started.")
        response = (await session.until("response.done"))["response"]
        require(response["status"] == "completed", f"The response is {response['status']}.")
        if not session.all(_COMPLETED):
            await session.until(_COMPLETED)
        _check_words(session.all(_COMPLETED)[0])


@checks
async def a_manual_commit(target: Target) -> None:
    """Without turn detection a commit makes an item that is transcribed and gets no automatic answer."""
    async with opening(target) as session:
        await session.update(audio={"input": {"turn_detection": None, "transcription": _TRANSCRIPTION}})
        await session.append(spoken_question())
        await session.send("input_audio_buffer.commit")
        committed = await session.until("input_audio_buffer.committed")
        completed = await session.until(_COMPLETED)
        require(completed["item_id"] == committed["item_id"], "completed names another item than committed.")
        _check_words(completed)
        require(not session.all("response.created"), "A commit was answered without response.create.")
        early = _before(session, "input_audio_buffer.committed")
        require(not any("transcription" in kind for kind in early), "Words came before their item was committed.")


@checks
async def one_long_append(target: Target) -> None:
    """Speech is detected at the same time in one long append as in many short ones."""
    times: list[tuple[int, int]] = []
    for in_one_piece in (False, True):
        async with opening(target) as session:
            await session.update(audio={"input": {"turn_detection": {"type": "server_vad", "create_response": False}}})
            audio = spoken_question() + silence()
            if in_one_piece:
                await session.append_whole(audio)
            else:
                await session.append(audio)
            started = await session.until("input_audio_buffer.speech_started")
            stopped = await session.until("input_audio_buffer.speech_stopped")
            times.append((started["audio_start_ms"], stopped["audio_end_ms"]))
    differences = [abs(one - other) for one, other in zip(*times, strict=True)]
    require(max(differences) <= 100, f"In short appends speech was at {times[0]} ms, in one append at {times[1]} ms.")


@checks
async def telephone_audio(target: Target) -> None:
    """G.711 at 8 kHz is transcribed, and the answer is G.711."""
    async with opening(target) as session:
        ulaw = {"type": "audio/pcmu"}
        both = {"input": {"format": ulaw, "transcription": _TRANSCRIPTION}, "output": {"format": ulaw}}
        await session.update(audio=both)
        pcm = np.frombuffer(spoken_question(8_000) + silence(rate=8_000), "<i2")
        await session.append(g711.encode_mulaw(pcm).tobytes())
        response = (await session.until("response.done"))["response"]
        require(response["status"] == "completed", f"The response is {response['status']}.")
        require(session.audio(), "The response has no audio.")
        if not session.all(_COMPLETED):
            await session.until(_COMPLETED)
        _check_words(session.all(_COMPLETED)[0])


@checks
async def silence_is_not_a_turn(target: Target) -> None:
    """Silence starts no turn."""
    async with opening(target) as session:
        await session.append(silence(3000))
        await session.update(instructions="A mark in the stream of events.")
        require(not session.all("input_audio_buffer.speech_started"), "Silence was detected as speech.")


@checks
async def interruption(target: Target) -> None:
    """Speech during an answer cancels it, with the reason turn_detected."""
    async with opening(target) as session:
        await session.update(instructions=_LONG)
        await session.append(spoken_question() + silence())
        await session.until("response.output_audio.delta")
        await session.append(spoken_question() + silence())
        response = (await session.until("response.done"))["response"]
        if response["status"] == "completed":
            raise Inconclusive("The answer was complete before it could be interrupted.")
        require(response["status"] == "cancelled", f"The response is {response['status']}.")
        reason = reason_of(response)
        require(reason == "turn_detected", f"The reason is {reason!r}.")
        require(len(session.all("input_audio_buffer.speech_started")) == 2, "The interruption was not announced.")
        await session.until("response.done")


@checks
async def clear(target: Target) -> None:
    """A commit after input_audio_buffer.clear is refused, because the buffer is empty."""
    async with opening(target) as session:
        await session.update(audio={"input": {"turn_detection": None}})
        await session.append(spoken_question())
        await session.send("input_audio_buffer.clear")
        await session.until("input_audio_buffer.cleared")
        await session.refused(await session.send("input_audio_buffer.commit"))


@checks
async def transcription_session(target: Target) -> None:
    """A transcription session transcribes detected turns and gives no answers."""
    async with opening(target, intent="transcription") as session:
        given = {"type": "transcription", "audio": {"input": {"transcription": _TRANSCRIPTION}}}
        await session.send("session.update", session=given)
        await session.until("session.updated")
        await session.append(spoken_question() + silence())
        _check_words(await session.until(_COMPLETED))
        require(not session.all("response.created"), "A transcription session answered.")


def _before(session: Session, event_type: str) -> list[str]:
    types = [event["type"] for event in session.events]
    return types[: types.index(event_type)]
