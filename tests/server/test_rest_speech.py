"""`POST /v1/audio/speech` over a synthesiser that speaks 60 ms of tone for each character."""

import base64
import io
from collections.abc import AsyncGenerator
from http.client import IncompleteRead

import numpy as np
import pytest

from rest import Answer, ask, post_json
from serving import serving
from streamsrv.audio.encoding import MEDIA_TYPES
from streamsrv.audio.files import read_audio
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Voice
from streamsrv.errors import Overloaded, Rejected, Unavailable
from streamsrv.testing.fakes import ToneSynthesizer, fake_engines

RATE = 24_000
TEXT = "One two three, four five. Six seven."
SPOKEN_MS = 60 * len("One two three," + "four five." + "Six seven.")


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines()) as running:
        yield running


async def speak(server, **fields) -> Answer:
    return await post_json(server, "/audio/speech", {"model": "any", "voice": "alloy", "input": TEXT, **fields})


def check_tone(pcm: np.ndarray, slack_ms: int = 0) -> None:
    assert len(pcm) * 1000 / RATE == pytest.approx(SPOKEN_MS, abs=slack_ms)
    spectrum = np.abs(np.fft.rfft(pcm))
    assert np.argmax(spectrum) * RATE / len(pcm) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("encoding", ["mp3", "opus", "aac", "flac", "wav"])
async def test_each_format_is_a_file_that_players_can_read(server, encoding: str):
    answer = await speak(server, response_format=encoding)
    assert (answer.status, answer.headers["content-type"]) == (200, MEDIA_TYPES[encoding])
    assert answer.headers["transfer-encoding"] == "chunked"
    # MP3 and AAC decode to whole blocks, with the encoder's delay in front.
    check_tone(read_audio(io.BytesIO(answer.body), RATE), slack_ms=130 if encoding in ("mp3", "aac") else 10)


async def test_pcm_is_bare_samples_at_24_khz(server):
    answer = await speak(server, response_format="pcm")
    check_tone(np.frombuffer(answer.body, "<i2"))


async def test_mp3_is_the_default(server):
    assert (await speak(server)).headers["content-type"] == "audio/mpeg"


async def test_events_carry_the_same_bytes(server):
    plain = await speak(server, response_format="wav")
    answer = await speak(server, response_format="wav", stream_format="sse")
    assert answer.headers["content-type"].startswith("text/event-stream")
    *deltas, done = answer.events
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(event["audio"]) for event in deltas) == plain.body
    assert done["type"] == "speech.audio.done"
    usage = done["usage"]
    assert usage["output_tokens"] == -(-SPOKEN_MS // 50)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


async def test_a_synthesizer_with_another_rate_is_resampled():
    fast = ToneSynthesizer()
    fast.sample_rate = 48_000  # it still makes 24,000 samples a second: everything is an octave up, half as long
    with serving(fake_engines(synthesizer=fast)) as server:
        pcm = np.frombuffer((await speak(server, response_format="pcm")).body, "<i2")
    assert len(pcm) * 1000 / RATE == pytest.approx(SPOKEN_MS / 2, abs=1)


async def test_4096_characters_are_spoken(server):
    text = ("word " * 1000)[:4096]
    pcm = np.frombuffer((await speak(server, input=text, response_format="pcm")).body, "<i2")
    assert len(pcm) * 1000 / RATE == pytest.approx(60 * 4096, rel=0.05)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"input": ""}, "invalid_value", "input"),
        ({"input": "a" * 4097}, "invalid_value", "input"),
        ({"input": 7}, "invalid_value", "input"),
        ({"input": None}, "missing_required_parameter", "input"),
        ({"response_format": "midi"}, "invalid_value", "response_format"),
        ({"speed": 0.1}, "invalid_value", "speed"),
        ({"speed": 4.1}, "invalid_value", "speed"),
        ({"speed": "fast"}, "invalid_value", "speed"),
        ({"stream_format": "websocket"}, "invalid_value", "stream_format"),
        ({"voice": 3}, "invalid_value", "voice"),
        ({"voice": "nobody"}, "invalid_value", "voice"),
        ({"voice": {"id": "nobody"}}, "invalid_value", "voice"),
        ({"voice": {"id": "tone", "pitch": 1}}, "unknown_parameter", "voice.pitch"),
        ({"instructions": "Whisper."}, "unsupported_parameter", "instructions"),
        ({"colour": "red"}, "unknown_parameter", "colour"),
        ({"colour": None}, "unknown_parameter", "colour"),
    ],
)
async def test_a_bad_field_is_named(server, fields: dict, code: str, param: str):
    answer = await speak(server, **fields)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, code, param)
    assert answer.error["type"] == "invalid_request_error"


async def test_an_unknown_format_is_answered_with_the_known_ones(server):
    message = (await speak(server, response_format="midi")).error["message"]
    for encoding in ("mp3", "opus", "aac", "flac", "wav", "pcm", "midi"):
        assert encoding in message


async def test_tags_of_ssml_are_not_spoken(server):
    tag = '<prosody rate="slow. And. So. On." pitch="high, low, middle, and everything else that there is to say">'
    tagged = f'<speak>{tag}One two three,<break time="1.5s"/></prosody> four five.</speak>'
    plain = await speak(server, input="One two three,\n four five.", response_format="pcm")
    assert (await speak(server, input=tagged, response_format="pcm")).body == plain.body
    assert not (await speak(server, input="<speak></speak>", response_format="pcm")).body.strip(b"\0")


async def test_an_unknown_voice_is_answered_with_the_known_ones(server):
    assert "'tone', 'bell'" in (await speak(server, voice="nobody")).error["message"]
    for voice in ("tone", "bell", "alloy", {"id": "bell"}):
        assert (await speak(server, voice=voice)).status == 200


async def test_a_speed_that_the_voice_does_not_do_is_answered_with_its_range():
    slow = ToneSynthesizer()
    slow.min_speed, slow.max_speed = 0.5, 2.0
    with serving(fake_engines(synthesizer=slow)) as server:
        for speed in (0.25, 0.49, 2.01, 4):
            answer = await speak(server, speed=speed)
            assert (answer.status, answer.error["param"]) == (400, "speed")
            assert "0.5 to 2" in answer.error["message"]
        assert (await speak(server, speed=2)).status == 200


class FailingSynthesizer(ToneSynthesizer):
    """Speaks the first segments, then fails."""

    def __init__(self, good: int, error: Exception) -> None:
        self.good = good
        self.error = error

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        if not self.good:
            raise self.error
        self.good -= 1
        async for chunk in super().stream(text, options):
            yield chunk


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (Unavailable("The voice is gone."), 503, "The voice is gone."),
        (Overloaded("Too much."), 429, "Too much."),
        (Rejected("Not that."), 400, "Not that."),
        (RuntimeError("a secret of ours"), 500, "Internal error."),
    ],
)
async def test_a_voice_that_fails_at_once_has_a_status(error: Exception, status: int, message: str):
    with serving(fake_engines(synthesizer=FailingSynthesizer(0, error))) as server:
        for stream_format in ("audio", "sse"):
            answer = await speak(server, stream_format=stream_format)
            assert (answer.status, answer.error["message"]) == (status, message)


async def test_a_voice_that_fails_later_is_not_taken_for_the_end():
    failing = FailingSynthesizer(1, Unavailable("The voice is gone."))
    with serving(fake_engines(synthesizer=failing)) as server:
        with pytest.raises(IncompleteRead):
            await speak(server)
        failing.good = 1
        *deltas, last = (await speak(server, stream_format="sse")).events
        assert deltas
        assert last["error"]["message"] == "The voice is gone."
        failing.good = 99
        assert (await speak(server)).status == 200


class Bilingual(ToneSynthesizer):
    """Notes the language of each segment."""

    voices = (Voice("tone", frozenset({"en"})), Voice("bell", frozenset({"de"})))

    def __init__(self) -> None:
        self.languages: list[str] = []

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        self.languages.append(options.language)
        async for chunk in super().stream(text, options):
            yield chunk


@pytest.mark.parametrize(("language", "spoken"), [("de", "de"), ("German", "de"), ("de-CH", "de"), (None, "en")])
async def test_the_language_of_a_text_may_be_named(language: str | None, spoken: str):
    bilingual = Bilingual()
    with serving(fake_engines(synthesizer=bilingual)) as server:
        assert (await speak(server, language=language, input="Only 3.")).status == 200
    assert bilingual.languages == [spoken]


@pytest.mark.parametrize("language", ["fr", "Klingon", "", 3])
async def test_a_language_that_no_voice_speaks_is_refused_with_those_that_there_are(language: object):
    with serving(fake_engines(synthesizer=Bilingual())) as server:
        answer = await speak(server, language=language)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_value", "language")
    assert language != "fr" or "'de', 'en'" in answer.error["message"]


async def test_get_is_no_way_to_speak(server):
    assert (await ask(server, "GET", "/audio/speech")).status == 405


async def test_a_text_without_a_word_is_a_short_silence(server):
    answer = await speak(server, input=" \n*** 🙂", response_format="pcm")
    assert (answer.status, answer.body.strip(b"\0")) == (200, b"")
    assert 0 < len(answer.body) < 48_000


@pytest.mark.parametrize("voice", ["heart", "no such voice", {"id": "x"}])
async def test_each_unknown_voice_is_refused_by_name(server, voice: object):
    answer = await speak(server, voice=voice)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_value", "voice")
    assert "'tone', 'bell'" in answer.error["message"]


@pytest.mark.parametrize("voice", ["tone", "bell", "marin", {"id": "alloy"}, ""])
async def test_voices_of_this_server_and_of_openai_are_taken(server, voice: object):
    assert (await speak(server, voice=voice)).status == 200
