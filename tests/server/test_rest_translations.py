"""`POST /v1/audio/translations`, and the options of transcriptions, with a fake recogniser that can use all of them."""

import math

import pytest

from able_recognizer import ENGLISH, GERMAN, FakeAbleRecognizer
from rest import Answer, loud, post_form, quiet, wav
from serving import RunningServer, serving
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.testing.fakes import fake_engines

ONCE = wav(quiet(500), loud(1000), quiet(1000))
TWICE = wav(quiet(500), loud(1000), quiet(400), loud(500), quiet(1000))


@pytest.fixture
def recognizer() -> FakeAbleRecognizer:
    return FakeAbleRecognizer()


@pytest.fixture
def server(recognizer: FakeAbleRecognizer):
    with serving(fake_engines(recognizer=recognizer)) as running:
        yield running


async def translate(server: RunningServer, *fields: tuple[str, str], file: bytes = ONCE) -> Answer:
    return await post_form(server, "/audio/translations", ("model", "whisper-1"), *fields, file=file)


async def transcribe(server: RunningServer, *fields: tuple[str, str], file: bytes = ONCE) -> Answer:
    return await post_form(server, "/audio/transcriptions", ("model", "whisper-1"), *fields, file=file)


async def test_a_translation_says_that_it_is_one(server: RunningServer, recognizer: FakeAbleRecognizer):
    answer = await translate(server, ("prompt", "A greeting."))
    assert answer.json["text"] == ENGLISH
    assert (answer.json["task"], answer.json["language"]) == ("translate", "english")
    assert answer.headers["content-language"] == "en"
    assert recognizer.asked == [RecognitionOptions(prompt="A greeting.", task="translate")]


@pytest.mark.parametrize(
    ("response_format", "body"),
    [
        ("text", f"{ENGLISH}\n"),
        ("srt", f"1\n00:00:00,480 --> 00:00:01,260\n{ENGLISH}\n\n"),
        ("vtt", f"WEBVTT\n\n00:00:00.480 --> 00:00:01.260\n{ENGLISH}\n\n"),
    ],
)
async def test_a_translation_as_text(server: RunningServer, response_format: str, body: str):
    answer = await translate(server, ("response_format", response_format))
    assert answer.body.decode() == body
    assert answer.headers["content-language"] == "en"


async def test_a_translation_in_full(server: RunningServer):
    full = (await translate(server, ("response_format", "verbose_json"))).json
    assert (full["task"], full["language"], full["duration"]) == ("translate", "english", 2.5)
    assert [segment["text"] for segment in full["segments"]] == [ENGLISH]


async def test_a_transcription_does_not_say_that_it_is_a_translation(server: RunningServer):
    answer = await transcribe(server)
    assert answer.json == {"text": GERMAN, "usage": {"type": "duration", "seconds": 2.5}}
    assert "content-language" not in answer.headers


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("language", "de", "unknown_parameter"),
        ("stream", "true", "unknown_parameter"),
        ("timestamp_granularities[]", "word", "unknown_parameter"),
        ("temperature", "0.7", "invalid_value"),
        ("response_format", "diarized_json", "invalid_value"),
        ("prompt", "p" * 10_001, "invalid_value"),
    ],
)
async def test_a_field_of_a_translation_is_refused(server: RunningServer, field: str, value: str, code: str):
    answer = await translate(server, (field, value))
    assert (answer.status, answer.error["code"]) == (400, code)
    assert answer.error["param"] == field.removesuffix("[]")


async def test_a_server_that_cannot_translate_says_so():
    with serving(fake_engines()) as server:
        answer = await translate(server)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_value", "model")
    assert "no recogniser here translates this speech" in answer.error["message"]


async def test_every_option_of_a_transcription_reaches_the_recogniser(
    server: RunningServer, recognizer: FakeAbleRecognizer
):
    fields = [
        ("languages[]", "de"), ("languages[]", "fr"), ("keywords[]", "Ada"), ("keywords", "bunte Kühe"),
        ("prompt", "x"), ("include[]", "logprobs"),
    ]  # fmt: skip
    assert (await transcribe(server, *fields)).status == 200
    expected = RecognitionOptions(languages=("de", "fr"), prompt="x", keywords=("Ada", "bunte Kühe"), logprobs=True)
    assert recognizer.asked == [expected]


async def test_log_probabilities(server: RunningServer):
    answer = await transcribe(server, ("include[]", "logprobs"))
    assert answer.json["logprobs"][0] == {"token": "Guten", "logprob": -0.25, "bytes": [71, 117, 116, 101, 110]}
    delta, done = (await transcribe(server, ("include[]", "logprobs"), ("stream", "true"))).events
    assert delta["logprobs"] == done["logprobs"] == answer.json["logprobs"]


async def test_a_segment_has_the_mean_of_the_confidences_of_its_words(server: RunningServer):
    full = (await transcribe(server, ("response_format", "verbose_json"))).json
    assert [segment["avg_logprob"] for segment in full["segments"]] == [pytest.approx((math.log(0.5) + 0) / 2)]
    assert "logprobs" not in full


@pytest.mark.parametrize(
    ("fields", "utterances"),
    [
        ([], 1),
        ([("chunking_strategy", '{"type": "server_vad", "silence_duration_ms": 300}')], 2),
        ([("chunking_strategy[type]", "server_vad"), ("chunking_strategy[silence_duration_ms]", "300")], 2),
        ([("chunking_strategy[type]", "server_vad"), ("chunking_strategy[prefix_padding_ms]", "0")], 1),
    ],
)
async def test_a_recording_is_cut_where_the_request_says(
    server: RunningServer, fields: list[tuple[str, str]], utterances: int
):
    answer = await transcribe(server, ("response_format", "srt"), *fields, file=TWICE)
    assert answer.body.decode().count("-->") == utterances
    padding_ms = 0 if ("chunking_strategy[prefix_padding_ms]", "0") in fields else 320
    assert f"00:00:00,{800 - padding_ms:03} -->" in answer.body.decode()


async def test_chunking_that_is_given_twice_is_refused(server: RunningServer):
    answer = await transcribe(server, ("chunking_strategy", "auto"), ("chunking_strategy[type]", "server_vad"))
    assert (answer.status, answer.error["code"]) == (400, "invalid_form")
