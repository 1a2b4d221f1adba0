"""`streamsrv talk` to a server with fake engines: whatever is loud is speech, whatever is said is "hello"."""

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from serving import serving
from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.cli.conversation import ConversationFailed, Heard, converse
from streamsrv.conformance.session import Target
from streamsrv.testing.fakes import LOUD, ScriptedChatModel, ScriptedRecognizer, fake_engines

PATIENCE_S = 60.0
"""Far longer than any of these conversations: one that is complete did not wait for it."""


def tone(duration_ms: int, peak: int = 8000) -> NDArray[np.int16]:
    return (peak * np.sin(np.arange(duration_ms * PCM_RATE_HZ // 1000) * 0.1)).astype(np.int16)


def silence(duration_ms: int) -> NDArray[np.int16]:
    return np.zeros(duration_ms * PCM_RATE_HZ // 1000, np.int16)


def noise(duration_ms: int) -> NDArray[np.int16]:
    """Background that no detector takes for speech, although it is not silent beside the speech of `tone`."""
    return np.random.default_rng(7).integers(-LOUD // 2, LOUD // 2, duration_ms * PCM_RATE_HZ // 1000, np.int16)


async def talk(*recording: NDArray[np.int16], patience_s: float = PATIENCE_S, **engines: object) -> Heard:
    with serving(fake_engines(**engines)) as server:  # type: ignore[arg-type]
        target = Target.parse(server.http_url, patience_s=patience_s)
        return await converse(target, np.concatenate(recording))


async def test_a_question_is_answered():
    heard = await talk(tone(400), silence(100))
    assert heard.complete
    assert (heard.said, heard.reply) == ("hello", "All right.")
    assert len(heard.audio) == 10 * 60 * PCM_RATE_HZ // 1000
    assert heard.latency_ms is not None


async def test_speech_up_to_the_last_sample_is_answered():
    heard = await talk(tone(400))
    assert heard.complete
    assert heard.reply == "All right."


async def test_it_ends_where_the_answer_is_complete_before_the_recording_is():
    """Background noise after the question lasts longer than the server waits, answers and is done."""
    heard = await talk(tone(400), noise(2500))
    assert heard.complete
    assert (heard.said, heard.reply) == ("hello", "All right.")
    assert heard.latency_ms is not None


@pytest.mark.parametrize("recording", [silence(500), noise(500), silence(20), silence(0)])
async def test_it_ends_where_nothing_was_said(recording: NDArray[np.int16]):
    heard = await talk(recording)
    assert heard == Heard(complete=True, audio=heard.audio)
    assert not len(heard.audio)


async def test_it_ends_where_nothing_was_recognised():
    heard = await talk(tone(400), silence(100), recognizer=ScriptedRecognizer(""))
    assert heard.complete
    assert (heard.said, heard.reply) == ("", "")


async def test_both_of_two_questions_are_heard_and_the_last_answer_is_waited_for():
    chat = ScriptedChatModel("First.", "Second answer.")
    heard = await talk(tone(400), silence(1500), tone(400), silence(100), chat=chat)
    assert heard.complete
    assert heard.said == "hello hello"
    assert heard.reply.endswith("Second answer.")
    assert len(chat.asked) == 2


async def test_what_was_heard_counts_where_no_answer_ends():
    chat = ScriptedChatModel("One two")
    chat.hold = asyncio.Event()
    heard = await talk(tone(400), silence(100), patience_s=3, chat=chat)
    assert not heard.complete
    assert heard.said == "hello"


async def test_a_failure_of_the_language_model_is_told():
    from streamsrv.errors import Rejected

    with pytest.raises(ConversationFailed, match="out of cheese"):
        await talk(tone(400), silence(100), chat=ScriptedChatModel(Rejected("out of cheese")))


async def test_a_wrong_key_names_the_option():
    with serving(fake_engines(), api_keys="sk-right") as server:
        with pytest.raises(ConversationFailed, match=r"401.*--key"):
            await converse(Target.parse(server.http_url, "sk-wrong"), tone(100))
        right = await converse(Target.parse(server.realtime_url, "sk-right", patience_s=PATIENCE_S), silence(100))
    assert right.complete


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ws://127.0.0.1:9/v1/realtime", r"127.0.0.1:9.* cannot be reached: Connection refused; is the server running"),
        ("http://localhost:9", r"cannot be reached: Connection refused; is the server running"),
        ("http://{address}/nowhere", r"HTTP 403.*ends with /v1"),
        ("https://{address}", r"http://"),
    ],
)
async def test_a_server_that_cannot_be_reached_is_named_with_the_reason(url: str, reason: str):
    with serving(fake_engines()) as server, pytest.raises(ConversationFailed, match=reason) as failed:
        await converse(Target.parse(url.format(address=f"127.0.0.1:{server.port}")), tone(100))
    assert "\n" not in str(failed.value)
