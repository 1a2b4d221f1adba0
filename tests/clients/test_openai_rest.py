"""The stock `openai` package and the REST API: speech, transcriptions, chat, models."""

import asyncio
import io
import wave
from collections.abc import AsyncGenerator
from typing import Any, Literal

import numpy as np
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.audio import TranscriptionTextDoneEvent, TranscriptionVerbose, TranslationVerbose

from able_recognizer import ENGLISH, GERMAN, LOGPROBS, FakeAbleRecognizer
from client_audio import loud, turn
from recordings import recording
from serving import RunningServer, serving
from streamsrv.audio.files import read_audio
from streamsrv.errors import Overloaded, Rejected, Unavailable
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines

SENTENCE = "The train to London leaves at half past nine from platform four."
HEARD = {"train", "london", "leaves", "nine", "platform"}
HELLO: list[Any] = [{"role": "user", "content": "Hello!"}]

Encoding = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]


@pytest.fixture
async def client(server: RunningServer) -> AsyncGenerator[AsyncOpenAI]:
    """Of a server with fakes."""
    async with AsyncOpenAI(base_url=server.http_url, api_key="unused", max_retries=0) as client:
        yield client


@pytest.fixture
async def real_client(real_server: RunningServer) -> AsyncGenerator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=real_server.http_url, api_key="unused", max_retries=0) as client:
        yield client


def wav(pcm: bytes) -> bytes:
    """Bare samples at 24 kHz as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 24_000, 0, "NONE", ""))
        writer.writeframes(pcm)
    return file.getvalue()


def words(text: str) -> set[str]:
    return {word.strip(".,;!?").lower() for word in text.split()}


@pytest.mark.parametrize("encoding", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
async def test_what_is_spoken_can_be_transcribed(real_client: AsyncOpenAI, encoding: Encoding) -> None:
    spoken = await real_client.audio.speech.create(
        model="tts-1", voice="alloy", input=SENTENCE, response_format=encoding
    )
    file = wav(spoken.content) if encoding == "pcm" else spoken.content
    heard = await real_client.audio.transcriptions.create(model="whisper-1", file=(f"speech.{encoding}", file))
    assert words(heard.text) >= HEARD, heard.text
    assert heard.usage is not None
    assert heard.usage.type == "duration"
    assert 2 < heard.usage.seconds < 8


async def test_pcm_is_streamed_while_it_is_spoken(real_client: AsyncOpenAI) -> None:
    text = f"{SENTENCE} " * 10
    async with real_client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=text, response_format="pcm"
    ) as response:
        assert response.headers["content-type"] == "audio/pcm"
        pieces = [piece async for piece in response.iter_bytes()]
    assert len(pieces) > 5
    pcm = np.frombuffer(b"".join(pieces), "<i2")
    assert 20 < len(pcm) / 24_000 < 80
    assert np.abs(pcm).max() > 1000, "it is audible"


async def test_speech_can_be_faster(real_client: AsyncOpenAI) -> None:
    async def length(speed: float) -> int:
        spoken = await real_client.audio.speech.create(
            model="tts-1", voice="alloy", input=SENTENCE, response_format="pcm", speed=speed
        )
        return len(spoken.content)

    assert await length(2.0) < 0.7 * await length(1.0)


async def test_a_recording_is_transcribed_with_times(real_client: AsyncOpenAI) -> None:
    path = recording("two_cities.wav")
    verbose = await real_client.audio.transcriptions.create(
        model="whisper-1", file=path, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    TranscriptionVerbose.model_validate(verbose.model_dump(), strict=True)
    assert verbose.language == "en"
    assert verbose.duration == pytest.approx(44.4, abs=0.1)
    assert words(verbose.text) >= {"best", "worst", "times", "wisdom", "foolishness", "winter", "despair", "heaven"}
    assert verbose.segments
    assert verbose.words
    assert " ".join(segment.text for segment in verbose.segments) == verbose.text
    assert [word.word for word in verbose.words] == verbose.text.split()
    starts = [segment.start for segment in verbose.segments]
    assert starts == sorted(starts)
    assert all(0 <= word.start <= word.end <= verbose.duration for word in verbose.words)
    foolishness = next(word for word in verbose.words if word.word.startswith("foolishness"))
    assert foolishness.start == pytest.approx(8.3, abs=1.5)


async def test_a_recording_is_transcribed_as_it_is_recognised(real_client: AsyncOpenAI) -> None:
    stream = await real_client.audio.transcriptions.create(
        model="whisper-1", file=recording("two_cities.wav"), stream=True
    )
    *deltas, done = [event async for event in stream]
    assert len(deltas) > 2
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert "".join(event.delta for event in deltas if event.type == "transcript.text.delta") == done.text
    assert words(done.text) >= {"best", "worst", "times"}


@pytest.mark.parametrize(
    ("response_format", "begins"),
    [("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n00:00:0"), ("text", "It was the best")],
)
async def test_a_recording_is_transcribed_as_text(
    real_client: AsyncOpenAI, response_format: Literal["srt", "vtt", "text"], begins: str
) -> None:
    text = await real_client.audio.transcriptions.create(
        model="whisper-1", file=recording("two_cities.wav"), response_format=response_format
    )
    assert str(text).startswith(begins)
    longest = max(len(line) for line in str(text).splitlines())
    assert longest <= 84 or response_format == "text"


@pytest.fixture
async def able_client() -> AsyncGenerator[AsyncOpenAI]:
    """Of a server whose recogniser is a fake that can use every option."""
    with serving(fake_engines(recognizer=FakeAbleRecognizer())) as server:
        async with AsyncOpenAI(base_url=server.http_url, api_key="unused", max_retries=0) as client:
            yield client


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the package says that OpenAI will end its endpoint
async def test_a_recording_is_translated(able_client: AsyncOpenAI) -> None:
    speech = wav(turn().tobytes())
    plain = await able_client.audio.translations.create(model="whisper-1", file=("speech.wav", speech))
    assert plain.text == ENGLISH
    verbose = await able_client.audio.translations.create(
        model="whisper-1", file=("speech.wav", speech), response_format="verbose_json", prompt="A greeting."
    )
    assert isinstance(verbose, TranslationVerbose)
    TranslationVerbose.model_validate(verbose.model_dump(), strict=True)
    assert (verbose.text, verbose.language) == (ENGLISH, "english")
    assert [segment.text for segment in verbose.segments or ()] == [ENGLISH]
    for response_format, begins in (("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n00:00:0"), ("text", ENGLISH)):
        asked: Any = response_format
        text = await able_client.audio.translations.create(
            model="whisper-1", file=("speech.wav", speech), response_format=asked
        )
        assert str(text).startswith(begins)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_translation_by_a_server_that_cannot_is_explained(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="no recogniser here translates") as refused:
        await client.audio.translations.create(model="whisper-1", file=("speech.wav", wav(loud().tobytes())))
    assert refused.value.param == "model"


async def test_a_transcription_has_hints_and_log_probabilities(able_client: AsyncOpenAI) -> None:
    heard = await able_client.audio.transcriptions.create(
        model="gpt-transcribe",
        file=("speech.wav", wav(turn().tobytes())),
        prompt="A greeting.",
        keywords=["Ada", "bunte Kühe"],
        languages=["de", "fr"],
        include=["logprobs"],
        chunking_strategy={"type": "server_vad", "silence_duration_ms": 300, "threshold": 0.6},
    )
    assert heard.text == GERMAN
    assert [(each.token, each.logprob) for each in heard.logprobs or ()] == [
        (token.token, token.logprob) for token in LOGPROBS
    ]


async def test_hints_that_the_recogniser_cannot_use_are_explained(client: AsyncOpenAI) -> None:
    speech = ("speech.wav", wav(loud().tobytes()))
    with pytest.raises(openai.BadRequestError, match="takes no keywords"):
        await client.audio.transcriptions.create(model="whisper-1", file=speech, keywords=["Ada"])
    with pytest.raises(openai.BadRequestError, match="gives no log probabilities"):
        await client.audio.transcriptions.create(model="whisper-1", file=speech, include=["logprobs"])
    with pytest.raises(openai.BadRequestError, match="does not tell speakers apart"):
        await client.audio.transcriptions.create(model="whisper-1", file=speech, response_format="diarized_json")


async def test_a_small_model_chats(real_client: AsyncOpenAI) -> None:
    question: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
    whole = await real_client.chat.completions.create(model="smollm2-135m", messages=question)
    assert "Paris" in (whole.choices[0].message.content or "")
    assert whole.usage is not None
    assert whole.usage.completion_tokens > 2
    async with real_client.chat.completions.stream(
        model="smollm2-135m", messages=question, stream_options={"include_usage": True}
    ) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
    assert "Paris" in (final.choices[0].message.content or "")
    assert final.choices[0].finish_reason == "stop"
    assert final.usage is not None
    cut = await real_client.chat.completions.create(model="smollm2-135m", messages=question, max_tokens=2)
    assert cut.choices[0].finish_reason == "length"


async def test_the_real_models_are_listed(real_client: AsyncOpenAI) -> None:
    listed = [model.id async for model in real_client.models.list()]
    assert {"smollm2-135m", "moonshine-tiny", "hibari"} <= set(listed)
    assert (await real_client.models.retrieve("hibari")).owned_by == "streamsrv"
    with pytest.raises(openai.NotFoundError, match="gpt-9"):
        await real_client.models.retrieve("gpt-9")


async def test_a_tool_call_is_put_together_from_its_deltas(client: AsyncOpenAI, chat: ScriptedChatModel) -> None:
    chat.answers += [("weather", '{"town": "Bonn"}')] * 2
    tools: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    whole = await client.chat.completions.create(model="any", messages=HELLO, tools=tools)
    (call,) = whole.choices[0].message.tool_calls or ()
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("weather", '{"town": "Bonn"}')
    async with client.chat.completions.stream(model="any", messages=HELLO, tools=tools) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_completion()
    assert final.choices[0].finish_reason == "tool_calls"
    (call,) = final.choices[0].message.tool_calls or ()
    assert (call.function.name, call.function.arguments) == ("weather", '{"town": "Bonn"}')


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unavailable("Gone."), openai.InternalServerError),
        (Overloaded("Slow down."), openai.RateLimitError),
        (Rejected("No."), openai.BadRequestError),
    ],
)
async def test_errors_of_providers_are_typed(
    client: AsyncOpenAI, chat: ScriptedChatModel, error: Any, expected: type[openai.APIStatusError]
) -> None:
    chat.answers += [error, error]
    for stream in (False, True):
        with pytest.raises(expected, match=str(error)):
            await client.chat.completions.create(model="any", messages=HELLO, stream=stream)


async def test_closing_a_stream_early_cancels_the_model(
    client: AsyncOpenAI, chat: ScriptedChatModel, server: RunningServer
) -> None:
    chat.hold = asyncio.Event()  # never set: the answer does not end by itself
    stream = await client.chat.completions.create(model="any", messages=HELLO, stream=True)
    await anext(aiter(stream))
    await stream.close()
    while server.service.requests:
        await server.tasks()
    assert chat.cancelled == 1


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"", "empty"),
        (b"Only text. " * 100, "not in a known audio format"),
    ],
)
async def test_a_file_that_is_no_audio_is_explained(client: AsyncOpenAI, file: bytes, said: str) -> None:
    with pytest.raises(openai.BadRequestError, match=said) as refused:
        await client.audio.transcriptions.create(model="whisper-1", file=("speech.mp3", file))
    assert (refused.value.code, refused.value.param) == ("invalid_value", "file")


async def test_a_file_that_is_too_large_is_explained(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.APIStatusError, match="longer than") as refused:
        await client.audio.transcriptions.create(model="whisper-1", file=("speech.wav", bytes(30 * 1024 * 1024)))
    assert (refused.value.status_code, refused.value.param) == (413, "file")


async def test_a_wrong_field_is_explained(client: AsyncOpenAI) -> None:
    wrong: Any = "midi"
    with pytest.raises(openai.BadRequestError, match="mp3") as refused:
        await client.audio.speech.create(model="tts-1", voice="alloy", input="Hi.", response_format=wrong)
    assert refused.value.param == "response_format"
    with pytest.raises(openai.BadRequestError) as refused:
        await client.audio.speech.create(model="tts-1", voice="alloy", input="a" * 5000)
    assert refused.value.param == "input"


async def test_a_wrong_key_is_refused() -> None:
    with serving(fake_engines(), api_keys="right") as server:
        async with AsyncOpenAI(base_url=server.http_url, api_key="wrong", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError):
                await client.models.list()
            with pytest.raises(openai.AuthenticationError):
                await client.audio.speech.create(model="tts-1", voice="alloy", input="Hi.")
        async with AsyncOpenAI(base_url=server.http_url, api_key="right", max_retries=0) as client:
            spoken = await client.audio.speech.create(model="tts-1", voice="alloy", input="Hello there.")
    assert len(read_audio(io.BytesIO(spoken.content))) > 8000
