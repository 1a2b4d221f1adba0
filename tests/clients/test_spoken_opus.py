"""Recorded speech as Opus, with real engines: what is understood and what is answered is the same as with PCM."""

import base64
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from client_audio import RATE, best_of_times
from opus_wire import BOTH_WAYS, audio, packets
from serving import RunningServer, serving
from streamsrv.testing.fakes import ScriptedChatModel
from wire import Wire, wire

TRANSCRIPT = "conversation.item.input_audio_transcription.completed"


async def transcript(server: RunningServer, pieces: list[bytes], **session_audio: object) -> str:
    given = {**session_audio, "input": {**session_audio.get("input", {}), "turn_detection": None}}
    async with wire(f"{server.realtime_url}?intent=transcription") as client:
        await client.send("session.update", session={"audio": given})
        for piece in pieces:
            await client.append(piece)
        await client.send("input_audio_buffer.commit")
        return (await client.until(TRANSCRIPT))["transcript"]


async def test_recorded_speech_has_the_same_transcript_as_with_pcm(real_server: RunningServer):
    said = best_of_times()
    as_pcm = await transcript(real_server, [said[start : start + 480].tobytes() for start in range(0, len(said), 480)])
    as_opus = await transcript(real_server, packets(said), **BOTH_WAYS)
    assert "best of times" in as_pcm.lower()
    assert as_opus == as_pcm


async def test_a_reply_is_as_long_as_with_pcm_and_sounds_the_same(real_server: RunningServer):
    answer = "The front door is locked. The garage door is open, and it has been open for an hour."
    engines = replace(real_server.service.engines, chat=ScriptedChatModel(answer, answer))
    with serving(engines) as server:
        async with wire(server.realtime_url) as client:
            pcm_deltas = await answered(client)
            await client.send("session.update", session={"audio": BOTH_WAYS})
            opus_deltas = await answered(client)
    pcm = np.frombuffer(b"".join(packet for packet, _ in pcm_deltas), "<i2")
    heard = audio(opus_deltas)
    assert len(heard) == len(pcm) > 3 * RATE
    in_place, late_by_the_codec = likeness(heard, pcm), likeness(heard[:-156], pcm[156:])
    assert in_place > 0.8 > 0.5 > late_by_the_codec


def likeness(heard: NDArray[np.int16], said: NDArray[np.int16]) -> float:
    return float(np.corrcoef(heard, said)[0, 1])


async def answered(client: Wire) -> list[tuple[bytes, dict]]:
    """The audio of a response, and what is said about each piece of it."""
    client.received.clear()
    await client.send("response.create")
    await client.until("response.done")
    deltas = [event for event in client.received if event["type"] == "response.output_audio.delta"]
    return [(base64.b64decode(event["delta"]), event.get("streamsrv", {})) for event in deltas]
