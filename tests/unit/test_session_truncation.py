"""Truncation of spoken items by the client, and items that are deleted while they are spoken."""

import pytest

from harness import Talk, error, event, of_type, types
from streamsrv.core.effects import ClearPlayback, Effect, Generate, SendAudio
from streamsrv.core.inputs import PlaybackEnded
from streamsrv.engines.llm.base import Finished


def talking() -> Talk:
    """An answer in progress, whose audio so far was sent, 100 ms a character."""
    talk = Talk()
    talk.says("Count.")
    talk.model("One two three four. Five six seven eight.")
    talk.synthesize(ms_per_character=100)
    return talk


def spoken() -> tuple[Talk, str]:
    """An answer of 4.1 s, completed, and its item."""
    talk = talking()
    talk.model(Finished("stop"))
    talk.synthesize(ms_per_character=100)
    return talk, event(talk.all, "response.output_item.added")["item"]["id"]


def truncate(talk: Talk, item_id: str, audio_end_ms: int) -> list[Effect]:
    place = {"item_id": item_id, "content_index": 0}
    return talk.send("conversation.item.truncate", event_id="e1", **place, audio_end_ms=audio_end_ms)


def sent_ms(talk: Talk) -> int:
    """Audio that was sent."""
    return sum(len(effect.pcm) * 1000 // effect.sample_rate for effect in of_type(talk.all, SendAudio))


def item_text(talk: Talk, item_id: str) -> str:
    retrieved = talk.send("conversation.item.retrieve", item_id=item_id)
    return event(retrieved, "conversation.item.retrieved")["item"]["content"][0]["transcript"]


@pytest.mark.parametrize("beyond_ms", [21, 85, 40_000])
def test_truncation_beyond_the_end_is_an_error_and_changes_nothing(beyond_ms: int):
    talk, item_id = spoken()
    end_ms = sent_ms(talk)
    before = item_text(talk, item_id)
    refused = truncate(talk, item_id, end_ms + beyond_ms)
    assert types(refused) == ["error"]
    assert (error(refused)["param"], error(refused)["event_id"]) == ("audio_end_ms", "e1")
    assert str(end_ms + beyond_ms) in error(refused)["message"]
    assert f"{end_ms} ms" in error(refused)["message"]
    assert item_text(talk, item_id) == before
    talk.now_ms += 60_000
    talk.says("Thanks.")
    assert before in [message.content for message in of_type(talk.all, Generate)[-1].messages]


@pytest.mark.parametrize("beyond_ms", [0, 1, 20])
def test_truncation_within_a_frame_of_the_end_is_at_the_end(beyond_ms: int):
    talk, item_id = spoken()
    end_ms = sent_ms(talk)
    truncated = truncate(talk, item_id, end_ms + beyond_ms)
    assert event(truncated, "conversation.item.truncated")["audio_end_ms"] == end_ms


def test_an_item_in_progress_ends_where_its_audio_so_far_does():
    talk = talking()
    item_id = event(talk.all, "response.output_item.added")["item"]["id"]
    end_ms = sent_ms(talk)
    assert error(truncate(talk, item_id, end_ms + 500))["param"] == "audio_end_ms"
    assert event(truncate(talk, item_id, end_ms), "conversation.item.truncated")


def test_an_item_that_was_truncated_ends_there():
    talk, item_id = spoken()
    truncate(talk, item_id, 1000)
    refused = truncate(talk, item_id, 2000)
    assert "ends at 1000 ms" in error(refused)["message"]
    assert event(truncate(talk, item_id, 1000), "conversation.item.truncated")
    assert event(truncate(talk, item_id, 600), "conversation.item.truncated")["audio_end_ms"] == 600
    assert item_text(talk, item_id) == "One"


def test_an_item_of_which_no_audio_was_sent_can_be_truncated_to_nothing():
    talk = Talk()
    talk.says("Count.")
    talk.model("One two")
    item_id = event(talk.all, "response.output_item.added")["item"]["id"]
    assert error(truncate(talk, item_id, 100))["param"] == "audio_end_ms"
    assert event(truncate(talk, item_id, 0), "conversation.item.truncated")


def test_an_answer_whose_item_was_deleted_while_it_is_spoken_is_still_interrupted():
    talk = Talk(holds_playback=True)
    talk.says("Count.")
    talk.model("One two three four. ")
    talk.synthesize()
    item_id = event(talk.all, "response.output_item.added")["item"]["id"]
    talk.send("conversation.item.delete", item_id=item_id)
    talk.model("Five six seven eight. ")
    talk.synthesize()
    assert of_type(talk.speech(96), ClearPlayback)
    assert error(truncate(talk, item_id, 100))["code"] == "item_truncate_invalid_item_id"
    assert types(talk.give(PlaybackEnded(item_id, 100))) == [], "nobody is told of an item that is gone"


def test_another_item_with_the_id_of_a_deleted_answer_is_left_alone():
    talk, item_id = spoken()
    talk.send("conversation.item.delete", item_id=item_id)
    content = [{"type": "input_audio", "transcript": "Mine."}]
    talk.send("conversation.item.create", item={"id": item_id, "type": "message", "role": "user", "content": content})
    talk.now_ms += 300
    talk.speech(96)
    assert item_text(talk, item_id) == "Mine."
    assert error(truncate(talk, item_id, 0))["code"] == "item_truncate_invalid_item_id"
