"""`POST /v1/audio/transcriptions` over a detector that hears loudness and a recogniser that always hears "hello"."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from rest import Answer, ask, form, loud, post_form, quiet, wav
from serving import serving
from streamsrv.engines.asr.base import Abilities, RecognitionOptions
from streamsrv.errors import Unavailable
from streamsrv.testing.fakes import ScriptedRecognizer, fake_engines

PATH = "/audio/transcriptions"
TWICE = wav(quiet(500), loud(1000), quiet(1500), loud(500), quiet(1000))


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines()) as running:
        yield running


async def transcribe(server, *fields: tuple[str, str], file: bytes = TWICE) -> Answer:
    return await post_form(server, PATH, ("model", "whisper-1"), *fields, file=file)


async def test_json_is_the_default(server):
    answer = await transcribe(server)
    assert answer.json == {"text": "hello hello", "usage": {"type": "duration", "seconds": 4.5}}


async def test_text(server):
    answer = await transcribe(server, ("response_format", "text"))
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.body == b"hello hello\n"


async def test_subtitles_stand_where_the_speech_is(server):
    srt = (await transcribe(server, ("response_format", "srt"))).body.decode()
    assert srt == "1\n00:00:00,160 --> 00:00:02,208\nhello\n\n2\n00:00:02,656 --> 00:00:04,224\nhello\n\n"
    answer = await transcribe(server, ("response_format", "vtt"))
    assert answer.headers["content-type"].startswith("text/vtt")
    assert answer.body.decode().startswith("WEBVTT\n\n00:00:00.160 --> 00:00:02.208\nhello\n\n")


async def test_verbose_json_has_segments_and_words_as_asked(server):
    plain = (await transcribe(server, ("response_format", "verbose_json"))).json
    assert (plain["task"], plain["duration"], plain["text"]) == ("transcribe", 4.5, "hello hello")
    assert [(segment["id"], segment["start"], segment["end"]) for segment in plain["segments"]] == [
        (0, 0.16, 2.208),
        (1, 2.656, 4.224),
    ]
    assert "words" not in plain
    granularity = "timestamp_granularities[]"
    words = (await transcribe(server, ("response_format", "verbose_json"), (granularity, "word"))).json
    assert "segments" not in words
    assert words["words"] == [], "this recogniser has no word times"
    both = [("response_format", "verbose_json"), (granularity, "word"), (granularity, "segment"), ("language", "fr")]
    answer = (await transcribe(server, *both)).json
    assert {"words", "segments"} <= set(answer)
    assert answer["language"] == "fr"


async def test_a_stream_gives_each_utterance(server):
    answer = await transcribe(server, ("stream", "true"))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.events == [
        {"type": "transcript.text.delta", "delta": "hello"},
        {"type": "transcript.text.delta", "delta": " hello"},
        {"type": "transcript.text.done", "text": "hello hello", "usage": {"type": "duration", "seconds": 4.5}},
    ]


async def test_silence_is_no_error(server):
    assert (await transcribe(server, file=wav(quiet(2000)))).json["text"] == ""
    assert (await transcribe(server, ("response_format", "srt"), file=wav(quiet(2000)))).body == b""
    assert (await transcribe(server, ("stream", "true"), file=wav(quiet(2000)))).events == [
        {"type": "transcript.text.done", "text": "", "usage": {"type": "duration", "seconds": 2.0}}
    ]


async def test_what_the_client_says_about_the_speech_reaches_the_recogniser():
    class ListeningRecognizer(ScriptedRecognizer):
        """Keeps the options."""

        options: RecognitionOptions | None = None

        def open(self, options: RecognitionOptions):
            self.options = options
            return super().open(options)

    recognizer = ListeningRecognizer()
    with serving(fake_engines(recognizer=recognizer)) as server:
        fields = [
            ("language", "fr"),
            ("prompt", "Paris"),
            ("temperature", "0"),
            ("chunking_strategy", "auto"),
            ("x", ""),
        ]
        assert (await transcribe(server, *fields)).status == 200
    assert recognizer.options == RecognitionOptions("fr", prompt="Paris")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ([("response_format", "docx")], "response_format"),
        ([("response_format", "diarized_json")], "response_format"),
        ([("temperature", "hot")], "temperature"),
        ([("temperature", "2")], "temperature"),
        ([("stream", "perhaps")], "stream"),
        ([("stream", "true"), ("response_format", "srt")], "stream"),
        ([("timestamp_granularities[]", "letter")], "timestamp_granularities[0]"),
        ([("language", "x" * 100)], "language"),
        ([("language", "auto")], "language"),
        ([("language", "日本")], "language"),
        ([("temperature", "0.5")], "temperature"),
        ([("timestamp_granularities[]", "word")], "timestamp_granularities"),
        ([("chunking_strategy", "manual")], "chunking_strategy"),
        ([("chunking_strategy", '{"type": "server_vad"')], "chunking_strategy"),
        ([("chunking_strategy", '{"type": "semantic_vad"}')], "chunking_strategy.type"),
        (
            [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "2")],
            "chunking_strategy.threshold",
        ),
        (
            [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[silence_duration_ms]", "-1")],
            "chunking_strategy.silence_duration_ms",
        ),
        ([("include[]", "words")], "include[0]"),
        ([("include[]", "logprobs")], "include"),
        ([("include[]", "logprobs"), ("response_format", "verbose_json")], "include"),
        ([("keywords[]", "Ada")], "keywords"),
        ([("keywords[]", " ")], "keywords[0]"),
        ([("languages[]", "xx")], "languages[0]"),
        ([("languages[]", "de"), ("languages[]", "en")], "languages"),
        ([("language", "de"), ("languages[]", "en")], "languages"),
        ([("prompt", "a\x00b")], "prompt"),
        ([("prompt", "p" * 10_001)], "prompt"),
    ],
)
async def test_a_bad_field_is_named(server, fields: list[tuple[str, str]], param: str):
    answer = await transcribe(server, *fields)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_value", param)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"", "empty"),
        (b"This is a text about nothing in particular.\n" * 1000, "not in a known audio format"),
        (wav(quiet(1000))[:30], "not in a known audio format"),
        (wav(quiet(0)), "no audio"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not in a known audio format"),
    ],
)
async def test_a_file_that_is_no_audio_is_refused(server, file: bytes, said: str):
    answer = await transcribe(server, file=file)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_value", "file")
    assert said in answer.error["message"]


async def test_the_file_must_be_a_file(server):
    missing = await post_form(server, PATH, ("model", "any"))
    assert (missing.status, missing.error["code"], missing.error["param"]) == (
        400,
        "missing_required_parameter",
        "file",
    )
    written = await post_form(server, PATH, ("file", "hello"))
    assert (written.status, written.error["code"], written.error["param"]) == (400, "invalid_value", "file")
    elsewhere = await post_form(server, PATH, file=TWICE, name="audio")
    assert (elsewhere.status, elsewhere.error["code"]) == (400, "missing_required_parameter")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"file=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"anything", "multipart/form-data", 400, "invalid_form"),
        (b"not a form", "multipart/form-data; boundary=cut", 400, "invalid_form"),
        (form(*[("field", "x")] * 100)[0], "multipart/form-data; boundary=cut", 400, "invalid_form"),
        (form(("prompt", "x" * 2_000_000))[0], "multipart/form-data; boundary=cut", 400, "invalid_form"),
    ],
)
async def test_a_body_that_is_no_form_is_refused(server, body: bytes, content_type: str, status: int, code: str):
    answer = await ask(server, "POST", PATH, body, {"Content-Type": content_type})
    assert (answer.status, answer.error["code"]) == (status, code)


async def test_thirty_mib_are_too_much(server):
    answer = await transcribe(server, file=bytes(30 * 1024 * 1024))
    assert (answer.status, answer.error["code"], answer.error["param"]) == (413, "request_too_large", "file")


async def test_a_form_of_unknown_length_is_measured_while_it_is_read():
    with serving(fake_engines(), max_upload_bytes=100_000) as server:
        body, content_type = form(file=bytes(200_000))
        pieces = (body[start : start + 10_000] for start in range(0, len(body), 10_000))
        answer = await ask(server, "POST", PATH, pieces, {"Content-Type": content_type})
        assert (answer.status, answer.error["code"]) == (413, "request_too_large")


async def test_a_long_recording_in_a_small_file_is_refused():
    with serving(fake_engines(), max_audio_seconds=2) as server:
        answer = await transcribe(server)
        assert (answer.status, answer.error["param"]) == (400, "file")
        assert "longer than 2 seconds" in answer.error["message"]
        assert (await transcribe(server, file=wav(loud(1000)))).status == 200


async def test_a_recogniser_that_fails_has_a_status_and_later_an_event():
    class FailingRecognizer(ScriptedRecognizer):
        """Hears the first utterance of a file, then fails."""

        opened = 0

        def open(self, options: RecognitionOptions):
            self.opened += 1
            if self.opened % 2 == 0:
                raise Unavailable("The ears are gone.")
            return super().open(options)

    with serving(fake_engines(recognizer=FailingRecognizer())) as server:
        answer = await transcribe(server)
        assert (answer.status, answer.error["message"]) == (503, "The ears are gone.")
        first, last = (await transcribe(server, ("stream", "true"))).events
        assert first["delta"] == "hello"
        assert last["error"]["message"] == "The ears are gone."


async def test_many_at_once_are_all_answered(server):
    answers = await asyncio.gather(*(transcribe(server) for _ in range(8)))
    assert [answer.json["text"] for answer in answers] == ["hello hello"] * 8


async def test_speech_without_a_pause_is_cut(server):
    answer = await transcribe(server, ("response_format", "verbose_json"), file=wav(loud(70_000)))
    ends = np.array([segment["end"] for segment in answer.json["segments"]])
    assert ends[-1] == pytest.approx(70, abs=0.1)
    assert np.diff([0, *ends]).max() <= 30.1


async def test_a_field_that_is_given_twice_is_named(server):
    answer = await post_form(server, "/audio/transcriptions", ("model", "a"), ("model", "b"), file=wav(loud(500)))
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_form", "model")


@pytest.mark.parametrize(
    "fields",
    [
        [("chunking_strategy[type]", "server_vad"), ("chunking_strategy[type]", "auto")],
        [("chunking_strategy", "auto"), ("chunking_strategy[type]", "server_vad")],
        [("chunking_strategy[type]", "server_vad"), ("chunking_strategy", "auto")],
    ],
)
async def test_a_part_of_a_field_that_is_given_twice_is_named(server, fields: list[tuple[str, str]]):
    answer = await transcribe(server, *fields)
    assert (answer.status, answer.error["code"]) == (400, "invalid_form")
    assert answer.error["param"] == fields[1][0]


@pytest.mark.parametrize(
    ("field", "accepted"),
    [
        (("response_format", "diarized_json"), "Accepted are 'json', 'text', 'srt', 'vtt', 'verbose_json'"),
        (("chunking_strategy", "server_vad"), "accepted are 'auto', an object with the type 'server_vad'"),
        (("chunking_strategy[size]", "9"), "Accepted there: 'type', 'threshold'"),
    ],
)
async def test_a_bad_value_is_refused_with_all_that_is_accepted(server, field: tuple[str, str], accepted: str):
    assert accepted in (await transcribe(server, field)).error["message"]


@pytest.mark.parametrize("name", ["x", "x[]", "x[y]", "known_speaker_names[]"])
async def test_an_unknown_field_is_named(server, name: str):
    answer = await transcribe(server, (name, "y"))
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "unknown_parameter", name)


class EnglishRecognizer(ScriptedRecognizer):
    """Knows one language, and takes no prompt."""

    abilities = Abilities(frozenset({"en"}))


@pytest.mark.parametrize("language", ["en", "EN", "en-US", "en_GB", "eng", "English"])
async def test_a_language_is_normalised(language: str):
    with serving(fake_engines(recognizer=EnglishRecognizer())) as server:
        answer = await transcribe(server, ("language", language), ("response_format", "verbose_json"))
    assert (answer.status, answer.json["language"]) == (200, "en")


@pytest.mark.parametrize(
    ("field", "value"), [("language", "fr"), ("language", "de-AT"), ("prompt", "Paris"), ("model", "parakeet")]
)
async def test_what_the_recogniser_cannot_do_is_refused(field: str, value: str):
    with serving(fake_engines(recognizer=EnglishRecognizer())) as server:
        answer = await post_form(server, PATH, (field, value), file=TWICE)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_value", field)


async def test_the_language_that_was_recognised_is_reported():
    class GermanRecognizer(ScriptedRecognizer):
        """Says that it heard German."""

        def open(self, options: RecognitionOptions):
            self_stream = super().open(options)
            self_stream._final = replace(self_stream._final, language="de")
            return self_stream

    with serving(fake_engines(recognizer=GermanRecognizer())) as server:
        answer = await transcribe(server, ("language", "en"), ("response_format", "verbose_json"))
    assert answer.json["language"] == "de"
