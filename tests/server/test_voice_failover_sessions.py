"""A voice that fails in a session or request is replaced at the next word, and clients and operators are told."""

import base64
import json

import numpy as np
from numpy.typing import NDArray

from rest import ask
from serving import RunningServer, serving
from streamsrv.engines.tts.failover.synthesizer import FallbackSynthesizer
from streamsrv.errors import Unavailable
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import Wire, wire
from word_tones import TEXT, WORDS, WordTones, heard

DOWN = Unavailable("down")


def failing(*faults: tuple[int, Unavailable | None], times: bool = True) -> FallbackSynthesizer:
    voices = [WordTones("first", *faults, times=times), WordTones("second", times=times)]
    return FallbackSynthesizer({"": voices}, patience_s={"": 0.05})


async def answered(client: Wire) -> tuple[dict, NDArray[np.int16]]:
    """Ask for an answer; return its response and its audio."""
    await client.send("response.create")
    done = (await client.until("response.done"))["response"]
    deltas = [event["delta"] for event in client.received if event["type"] == "response.output_audio.delta"]
    return done, np.frombuffer(b"".join(map(base64.b64decode, deltas)), "<i2").astype(np.int16)


async def test_an_answer_whose_voice_breaks_off_is_heard_to_its_end_without_a_gap_in_its_words():
    for fault in ((2000, DOWN), (2000, None), (0, DOWN)):
        with serving(fake_engines(ScriptedChatModel(TEXT), synthesizer=failing(fault))) as server:
            async with wire(server.realtime_url) as client:
                done, pcm = await answered(client)
            assert done["status"] == "completed"
            assert heard(pcm) == WORDS
            assert done["output"][0]["content"][0]["transcript"] == TEXT
            own = {"synthesizer": "first", "voice": "first-voice"}
            other = {"synthesizer": "second", "voice": "second-voice", "instead_of": "first"}
            spoken_by = done["streamsrv"]["spoken_by"]
            assert spoken_by[:2] == [own, other] if fault[0] else spoken_by[0] == other
            assert "voice_failed" not in done["streamsrv"]
            await check_metrics(server)


async def check_metrics(server: RunningServer) -> None:
    lines = (await ask(server, "GET", "/metrics", below="")).body.decode().splitlines()
    fallback = 'streamsrv_fallbacks_total{from="first",stage="synthesizer",to="second"} 1.0'
    assert fallback in lines, [line for line in lines if "fallbacks_total" in line]
    assert 'streamsrv_model_failures_total{model="first",reason="unavailable",stage="synthesizer"} 1.0' in lines
    assert any(line.startswith('streamsrv_audio_synthesized_seconds_total{model="second"}') for line in lines)


async def test_speech_by_http_goes_on_with_another_voice():
    with serving(fake_engines(synthesizer=failing((2000, DOWN)))) as server:
        body = json.dumps({"input": TEXT, "response_format": "pcm"}).encode()
        answer = await ask(server, "POST", "/audio/speech", body, {"content-type": "application/json"})
    assert answer.status == 200
    assert heard(np.frombuffer(answer.body, "<i2").astype(np.int16)) == WORDS


async def test_all_synthesisers_are_listed_with_their_voices():
    with serving(fake_engines(synthesizer=failing())) as server:
        models = {model["id"]: model for model in (await ask(server, "GET", "/models")).json["data"]}
        capabilities = (await ask(server, "GET", "/streamsrv/capabilities")).json
    assert {name for name, model in models.items() if model["streamsrv"]["kind"] == "synthesizer"} == {
        "first",
        "second",
    }
    voices = {"name": "first", "voices": ["first-voice", "second-voice"]}
    assert capabilities["synthesizer"] == {**voices, "min_speed": 0.25, "max_speed": 4.0}
    assert capabilities["synthesizers"] == [
        {"name": "first", "voices": ["first-voice"], "languages": []},
        {"name": "second", "voices": ["second-voice"], "languages": []},
    ]
