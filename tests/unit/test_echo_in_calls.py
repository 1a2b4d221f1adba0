"""The echo of a reply in a caller's handset, which must not make the reply stutter, through the pure core."""

import numpy as np
import pytest

from harness import RATE, Talk, event, of_type, types
from streamsrv.core.call_rules import CallRules
from streamsrv.core.effects import Effect, HoldPlayback, OpenRecognition, ResumePlayback, Synthesize
from streamsrv.core.inputs import AudioAppended, FrameHeard, PlaybackReported, SegmentSpoken, SpeechOutput
from streamsrv.core.inputs import TranscriptReceived as Heard
from streamsrv.engines.asr.base import Transcript
from streamsrv.protocol.session_object import Audio, AudioInput, SemanticVad

REPLY_DB, CALLER_DB = -20.0, -22.0
RULES = CallRules(greeting="Boats of up to twenty metres stay in the northern basin and larger ones go to the pier.")


def greeted() -> Talk:
    """A call whose greeting of a minute has been played for two seconds."""
    talk = Talk(holds_playback=True, call=RULES, audio=Audio(input=AudioInput(turn_detection=SemanticVad())))
    pcm = np.full(60 * RATE, round(32_768 * 10 ** (REPLY_DB / 20)), np.int16)
    talk.give(SpeechOutput(of_type(talk.all, Synthesize)[-1].generation, pcm, RATE))
    talk.give(SegmentSpoken(of_type(talk.all, Synthesize)[-1].generation))
    item_id = event(talk.all, "response.output_item.added")["item"]["id"]
    talk.give(PlaybackReported(item_id, 0))
    hear(talk, None, 2016)
    return talk


def hear(talk: Talk, level_db: float | None, duration_ms: int) -> list[Effect]:
    """Speech at this level; None: silence."""
    effects: list[Effect] = []
    for _ in range(duration_ms // 32):
        talk.heard_ms += 32
        talk.now_ms += 32
        effects += talk.give(AudioAppended(talk.heard_ms))
        effects += talk.give(FrameHeard(0.01 if level_db is None else 0.9, talk.heard_ms, level_db))
    return effects


def find_echo(talk: Talk, level_db: float) -> list[Effect]:
    """An echo, which is found to be one because it ends when the reply is held."""
    effects = hear(talk, level_db, 160)
    talk.give(Heard(of_type(talk.all, OpenRecognition)[-1].item_id, Transcript("", at_pause=True)))
    return [*effects, *hear(talk, None, 640)]


@pytest.mark.parametrize("echo_db", [-20.0, -30.0, -40.0])
def test_a_reply_is_held_once_for_its_echo(echo_db: float):
    talk = greeted()
    first = find_echo(talk, REPLY_DB + echo_db)
    assert (len(of_type(first, HoldPlayback)), len(of_type(first, ResumePlayback))) == (1, 1)
    later = [*hear(talk, REPLY_DB + echo_db + 4, 3200), *hear(talk, None, 640), *hear(talk, REPLY_DB + echo_db, 32)]
    later += [*hear(talk, None, 640), *hear(talk, REPLY_DB + echo_db, 640)]
    assert not of_type(later, HoldPlayback)
    assert "input_audio_buffer.speech_started" not in types(later)


def test_a_click_as_soft_as_an_echo_is_learnt():
    talk = greeted()
    hear(talk, -45, 32)
    hear(talk, None, 640)
    assert not of_type(hear(talk, -45, 320), HoldPlayback)


def test_the_echo_is_known_in_later_replies():
    talk = greeted()
    find_echo(talk, -50)
    hear(talk, CALLER_DB, 960)
    talk.give(Heard(of_type(talk.all, OpenRecognition)[-1].item_id, Transcript("No, tell me something else.")))
    hear(talk, CALLER_DB, 64)
    assert "input_audio_buffer.speech_started" in types(talk.all)
    hear(talk, None, 3200)
    talk.transcript("No, tell me something else.")
    talk.model("The basin is full today, so please wait outside of it for some time.")
    generation = of_type(talk.all, Synthesize)[-1].generation
    talk.give(SpeechOutput(generation, np.full(9 * RATE, 3000, np.int16), RATE))
    hear(talk, None, 1024)
    assert not of_type(hear(talk, -50, 640), HoldPlayback)
    assert of_type(hear(talk, CALLER_DB, 32), HoldPlayback)


@pytest.mark.parametrize("over_echo", [True, False], ids=["over the echo", "in a pause"])
def test_a_caller_who_is_louder_than_the_echo_holds_the_reply_with_the_first_frame(over_echo: bool):
    talk = greeted()
    find_echo(talk, -50)
    hear(talk, -50 if over_echo else None, 960)
    assert of_type(hear(talk, CALLER_DB, 32), HoldPlayback)


def test_who_joins_in_over_an_echo_is_recognised_without_the_echo():
    talk = greeted()
    find_echo(talk, -50)
    hear(talk, -50, 960)
    effects = hear(talk, CALLER_DB, 96)
    opened = of_type(effects, OpenRecognition)[-1]
    assert opened.from_ms == talk.heard_ms - 96 - 300, "what was heard just before may be the beginning of a word"
    hear(talk, CALLER_DB, 640)
    talk.give(Heard(opened.item_id, Transcript("Where is the old pier?")))
    assert "input_audio_buffer.speech_started" in types(hear(talk, CALLER_DB, 32))


def test_a_noise_as_loud_as_the_reply_is_not_taken_for_its_echo():
    talk = greeted()
    hear(talk, REPLY_DB, 32)
    hear(talk, None, 640)
    assert of_type(hear(talk, CALLER_DB, 32), HoldPlayback)
