"""A client that plays replies itself and hears them in its microphone, under `semantic_vad`, through the pure core."""

import numpy as np

from harness import RATE, Talk, event, of_type, types
from streamsrv.core.effects import Generate, JudgeWords, OpenRecognition, Synthesize
from streamsrv.core.inputs import (
    AudioAppended,
    FrameHeard,
    SegmentSpoken,
    SpeechOutput,
    TranscriptReceived,
    WordsJudged,
)
from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.llm.base import Finished
from streamsrv.engines.turn.base import WordsEnding

SEMANTIC = {"input": {"turn_detection": {"type": "semantic_vad"}}}
REPLY = "The first one is called Bella Roma and it opens at six. The second is a sushi bar on Market Street."
WORD_MS = 300


def listening() -> Talk:
    """A written question; its answer was sent, 300 ms a word, and nothing of it has been played yet."""
    talk = Talk()
    talk.update(audio=SEMANTIC)
    talk.send("response.create")
    talk.model(REPLY, Finished("stop"))
    speak(talk)
    return talk


def speak(talk: Talk) -> None:
    """Speak all segments, loud and soft by turns, as speech is."""
    asked = of_type(talk.all, Synthesize)[-1:]
    while asked:
        talk.give(SpeechOutput(asked[0].generation, audio(len(asked[0].text.split())), RATE))
        asked = of_type(talk.give(SegmentSpoken(asked[0].generation)), Synthesize)


def audio(words: int) -> np.ndarray:
    envelope = np.repeat(np.random.default_rng(words).uniform(500, 20_000, words * 3), RATE * WORD_MS // 3000)
    return (envelope * np.where(np.arange(len(envelope)) % 2, 1, -1)).astype(np.int16)


def hear(talk: Talk, text: str, *, at_pause: bool = False) -> None:
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    talk.give(TranscriptReceived(item_id, Transcript("", text, language="en", at_pause=at_pause)))


def turned(talk: Talk) -> bool:
    return "input_audio_buffer.speech_started" in types(talk.all)


def test_what_the_reply_says_is_no_turn_and_is_not_answered():
    talk = listening()
    talk.speech(704)
    hear(talk, "The first one is cold")
    talk.speech(1600)
    hear(talk, "The first one is called Bella Rome and")
    talk.speech(1600)
    talk.silence(160)
    hear(talk, "The first one is called Bella Rome and it opens at 6.", at_pause=True)
    talk.silence(3200)
    assert not turned(talk)
    assert len(of_type(talk.all, Generate)) == 1


def test_words_that_come_late_are_waited_for_before_an_echo_becomes_a_turn():
    talk = listening()
    talk.speech(640)
    talk.silence(1600)
    hear(talk, "The first one.", at_pause=True)
    talk.silence(1600)
    assert not turned(talk)


def test_a_turn_over_a_reply_ends_as_soon_as_its_words_are_known_to_be_the_users():
    talk = listening()
    talk.speech(960)
    talk.silence(704)
    hear(talk, "What time is it?", at_pause=True)
    asked = of_type(talk.all, JudgeWords)[-1]
    talk.give(WordsJudged(asked.item_id, asked.text, WordsEnding(0.9, 0.9)))
    ended = talk.silence(96)
    assert "input_audio_buffer.speech_stopped" in types(ended), "the pause was long enough for a question"


def test_other_words_interrupt():
    talk = listening()
    talk.speech(704)
    hear(talk, "No, something else")
    assert event(talk.speech(32), "input_audio_buffer.speech_started")


def test_who_repeats_what_the_reply_said_long_ago_interrupts():
    talk = listening()
    talk.silence(5600)
    talk.speech(960)
    talk.silence(160)
    hear(talk, "Bella Roma", at_pause=True)
    talk.silence(64)
    assert turned(talk), "by then it speaks of the sushi bar"


def test_a_call_that_the_reply_contains_interrupts():
    talk = listening()
    talk.send("response.create")
    talk.model("Say stop when it is enough.", Finished("stop"))
    speak(talk)
    talk.now_ms += 7000
    talk.speech(320)
    talk.silence(96)
    hear(talk, "Stop.", at_pause=True)
    talk.silence(64)
    assert turned(talk)


def test_an_echo_in_long_appends_is_compared_with_what_played_when_it_was_recorded():
    talk = listening()
    talk.now_ms += 4000
    talk.give(AudioAppended(4000))
    for frame in range(1, 126):
        talk.heard_ms = 32 * frame
        talk.give(FrameHeard(0.99 if 20 < frame <= 60 else 0.01, talk.heard_ms))
        if frame == 66:
            hear(talk, "The first one is called Bella", at_pause=True)
    assert not turned(talk)
