"""The assistant page, with a recorded voice at the microphone, real models, and the sound that leaves the speaker."""

import base64
import re
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from playwright.sync_api import expect

from assistant import FRONT_DOOR, Assistant
from fake_provider import FakeProvider
from opus_wire import audio
from pages import Pages
from server_process import ServerProcess
from sound_card import Recording, SoundCard
from streamsrv.audio.opus import duration_ticks
from waiting import until

LONG_STORY = "Tell me a long story about a lighthouse."


WEBSOCKETS = ["WebSocket", "WebSocket with Opus"]
TRANSPORTS = ["WebRTC", "WebSocket", pytest.param("WebSocket with Opus", marks=pytest.mark.slow)]


STORY = (
    "Once there was a lighthouse on a rock far out in the sea. Every evening an old man climbed its stairs and lit "
    "the lamp. One night a storm came up, and no ship could see the shore. The old man held his lantern out of the "
    "window until the morning. Then all the ships came safely into the harbour, and the people sang for him."
)


@pytest.fixture
def assistant(server: ServerProcess, pages: Pages) -> Assistant:
    return Assistant(pages.open(server.url))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_spoken_question_gets_a_spoken_answer_whose_latency_is_drawn(
    assistant: Assistant, transport: str, sound_card: SoundCard, speaker: Recording, recordings: Path, pictures: Path
) -> None:
    assistant.choose_connection(transport)
    assistant.start()
    expect(assistant.path).to_have_text(transport)
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    expect(assistant.questions.last).to_contain_text(FRONT_DOOR)
    speaker.wait_for_sound(500)
    speaker.wait_for_quiet()
    reply = assistant.replies.last
    expect(reply.locator(".unsaid")).to_have_count(0)
    assert len(assistant.said_of(reply).split()) >= 2
    assistant.page.get_by_text("First sound after").click()
    chart = assistant.page.get_by_role("img", name="Seconds after your last word")
    expect(chart).to_have_accessible_name(re.compile("First sound played after"))
    expect(chart.locator("rect")).to_have_count(6)
    assistant.page.screenshot(path=pictures / "answered.png")


@pytest.mark.parametrize("transport", ["WebRTC", *(pytest.param(name, marks=pytest.mark.slow) for name in WEBSOCKETS)])
def test_talking_interrupts_and_leaves_the_words_that_were_heard(
    server: ServerProcess,
    provider: FakeProvider,
    pages: Pages,
    transport: str,
    sound_card: SoundCard,
    speaker: Recording,
    recordings: Path,
    pictures: Path,
) -> None:
    provider.answer = STORY
    assistant = Assistant(pages.open(server.url, script="unprocessed_microphone.js"))
    assistant.choose_connection(transport)
    assistant.start()
    assistant.write(LONG_STORY)
    speaker.wait_for_sound(3000)
    said = sound_card.begin_to_say(recordings / "lock_the_front_door.flac")
    cut = assistant.page.locator("#messages li.assistant[data-status=cut]")
    expect(cut.locator("s.unheard").first).to_contain_text(re.compile(r"\w"))
    played = speaker.sound_so_far(pictures / f"interrupted-{transport}.wav")  # before the next reply
    said.wait(20)
    expect(assistant.questions.last).to_contain_text(re.compile("lock|front|door", re.I))
    assistant.page.screenshot(path=pictures / f"interrupted-{transport}.png")
    shown = words(assistant.said_of(cut))
    heard = words(transcribe(server, played))
    # The times of words are estimates, and the recogniser guesses at a word that was cut.
    assert abs(len(heard) - len(shown)) <= 4, f"shown {shown}, heard {heard}"
    assert SequenceMatcher(None, heard, shown).ratio() > 0.6, f"shown {shown}, heard {heard}"


@pytest.mark.parametrize("transport", [pytest.param("WebSocket", marks=pytest.mark.slow), "WebSocket with Opus"])
def test_an_interrupted_reply_keeps_exactly_the_words_that_were_played(
    server: ServerProcess, provider: FakeProvider, pages: Pages, transport: str, speaker: Recording
) -> None:
    provider.answer = STORY
    assistant = Assistant(pages.open(server.url))
    assistant.choose_connection(transport)
    assistant.start()
    assistant.write(LONG_STORY)
    speaker.wait_for_sound(2500)
    assistant.talk.click()
    cut = assistant.page.locator("#messages li.assistant[data-status=cut]")
    expect(cut.locator("s.unheard").first).to_contain_text(re.compile(r"\w"))

    def events(kind: str) -> list[dict[str, Any]]:
        cut.count()  # lets what went over the WebSocket arrive here
        return [event for event in pages.events if event["type"] == kind]

    # The response has ended a moment before the page knows how much of it was played.
    until(lambda: events("conversation.item.truncated"), "the reply to be truncated")
    played_ms = events("streamsrv.playback.report")[-1]["audio_ms"]
    timed = [word for event in events("streamsrv.words.timed") for word in event["words"]]
    played = [word["word"] for word in timed if (word["start_ms"] + word["end_ms"]) / 2 <= played_ms]
    kept = r"\W+".join(words(" ".join(played)))
    speaker.wait_for_quiet(1000)
    until(lambda: re.fullmatch(rf"\W*{kept}\W*", assistant.said_of(cut), re.I), f"the page to show {kept}")


def test_opus_over_websocket_is_opus_both_ways_and_as_long_as_what_is_said(
    server: ServerProcess, pages: Pages, sound_card: SoundCard, speaker: Recording, recordings: Path
) -> None:
    assistant = Assistant(pages.open(server.url))
    assistant.choose_connection("WebSocket with Opus")
    assistant.start()
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    expect(assistant.questions.last).to_contain_text(FRONT_DOOR)
    speaker.wait_for_sound(300)
    expect(assistant.activity).to_have_text("Listening")
    said = [base64.b64decode(event["audio"]) for event in pages.events if event["type"] == "input_audio_buffer.append"]
    assert {duration_ticks(packet) for packet in said} == {960}, "20 ms each"
    deltas = [event for event in pages.events if event["type"] == "response.output_audio.delta"]
    heard = audio((base64.b64decode(event["delta"]), event.get("streamsrv", {})) for event in deltas)
    ended = [event for event in pages.events if event["type"] == "streamsrv.playback.report" and event.get("ended")]
    assert [event["audio_ms"] for event in ended] == [len(heard) // 24], "every sample was played, and no other"


def test_without_webcodecs_the_websocket_carries_pcm_and_the_page_says_why(
    server: ServerProcess, pages: Pages, speaker: Recording
) -> None:
    context = pages.context()
    context.add_init_script("delete window.AudioEncoder")
    page = context.new_page()
    page.goto(server.url)
    assistant = Assistant(page)
    assistant.choose_connection("WebSocket with Opus")
    assistant.start()
    assistant.expect_path("WebSocket", "Opus is not used: the browser has no WebCodecs.")
    assistant.write("Say hello.")
    speaker.wait_for_sound(200)


@pytest.mark.slow  # test_talk_button.py opens the microphone later, too
def test_a_written_question_first_and_the_microphone_later(
    assistant: Assistant, sound_card: SoundCard, speaker: Recording, recordings: Path
) -> None:
    assistant.write("Say hello.")
    speaker.wait_for_sound(200)
    speaker.wait_for_quiet(1000)
    assistant.talk.click()
    expect(assistant.activity).to_have_text("Listening")
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    expect(assistant.questions.last).to_contain_text(FRONT_DOOR)


@pytest.mark.slow  # test_first_words.py holds the button, and the test after this one the space bar
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_push_to_talk_hears_while_the_button_is_held(
    assistant: Assistant, transport: str, sound_card: SoundCard, speaker: Recording, recordings: Path
) -> None:
    page = assistant.page
    assistant.choose_connection(transport)
    page.get_by_text("Push to talk").click()
    assistant.talk.click()
    expect(assistant.activity).to_contain_text("Hold the button")
    page.mouse.move(*centre(assistant))
    page.mouse.down()
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    page.mouse.up()
    expect(assistant.questions.last).to_contain_text(FRONT_DOOR)
    speaker.wait_for_sound(300)


def test_the_space_bar_is_the_button(
    assistant: Assistant, sound_card: SoundCard, speaker: Recording, recordings: Path
) -> None:
    page = assistant.page
    assistant.choose_connection("WebSocket")
    page.get_by_label("Push to talk").check()
    assistant.talk.focus()
    page.keyboard.press("Enter")
    expect(assistant.activity).to_contain_text("Hold the button")
    page.keyboard.down("Space")
    sound_card.say(recordings / "is_the_front_door_locked.flac")
    page.keyboard.up("Space")
    expect(assistant.questions.last).to_contain_text(FRONT_DOOR)
    speaker.wait_for_sound(300)


@pytest.mark.slow  # an interrupted reply ends in the same way
def test_stop_silences_the_reply(assistant: Assistant, provider: FakeProvider, speaker: Recording) -> None:
    provider.answer = STORY
    assistant.start()
    assistant.write(LONG_STORY)
    speaker.wait_for_sound(1000)
    assistant.talk.click()
    expect(assistant.page.locator("#messages li.assistant[data-status=cut]")).to_be_visible()
    speaker.wait_for_quiet(1500)
    expect(assistant.activity).to_have_text("Listening")


def test_the_conversation_can_be_downloaded(assistant: Assistant) -> None:
    assistant.write("Say hello.")
    expect(assistant.replies.last).to_contain_text(re.compile(r"Assistant: \w"))
    for choice, ending in (("Text", "txt"), ("Markdown", "md"), ("JSON", "json")):
        assistant.page.get_by_role("button", name="More").click()
        with assistant.page.expect_download() as download:
            assistant.page.get_by_role("button", name=choice, exact=True).click()
        assert download.value.suggested_filename.endswith(f".{ending}")
        assert "Say hello." in Path(download.value.path()).read_text()


def transcribe(server: ServerProcess, recording: Path) -> str:
    """What the server's recogniser makes of a recording."""
    client = OpenAI(base_url=f"{server.url}/v1", api_key="none")
    return client.audio.transcriptions.create(model="whisper-1", file=recording).text


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def centre(assistant: Assistant) -> tuple[float, float]:
    box = assistant.talk.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
