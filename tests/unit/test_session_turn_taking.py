"""Turns of a session: interruptions that are classified first, and microphones that go silent."""

import pytest

from harness import Talk, event, of_type, types
from streamsrv.core.effects import (
    DropRecognition,
    Generate,
    JudgeWords,
    OpenRecognition,
    PredictEndOfTurn,
    ReadWords,
    SetTimer,
    StopGeneration,
)
from streamsrv.core.inputs import EndOfTurnPredicted, TranscriptReceived, WordsJudged
from streamsrv.core.timers import MicrophoneTimeout
from streamsrv.core.turns.endpointing import Evidence, pause_limit_ms
from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.llm.base import Finished
from streamsrv.engines.turn.base import WordsEnding

SEMANTIC = {"input": {"turn_detection": {"type": "semantic_vad"}}}
DONE, OPEN = WordsEnding(0.9, 0.9), WordsEnding(0.0, 0.0)


def listening_to_an_answer() -> Talk:
    """A semantic session whose answer is being played: 100 ms a character, 4.1 s in all."""
    talk = Talk()
    talk.update(audio=SEMANTIC)
    talk.speech()
    talk.silence(1600)
    talk.transcript("Count.")
    talk.silence(1056)  # longer than a pause inside a turn
    talk.model("One two three four. Five six seven eight.")
    talk.synthesize(ms_per_character=100)
    return talk


def hear(talk: Talk, text: str, *, at_pause: bool = True) -> list:
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    return talk.give(TranscriptReceived(item_id, Transcript("", text, language="en", at_pause=at_pause)))


def test_a_backchannel_leaves_the_answer_alone_and_the_client_never_learns_of_it():
    talk = listening_to_an_answer()
    effects = [*talk.speech(320), *talk.silence(128), *hear(talk, "Mhm."), *talk.silence(1600)]
    assert types(effects) == []
    assert of_type(effects, DropRecognition) == [DropRecognition(of_type(effects, OpenRecognition)[0].item_id)]
    assert not of_type(effects, StopGeneration)
    talk.model(Finished("stop"))
    assert event(talk.synthesize(), "response.done")["response"]["status"] == "completed"


def test_a_click_leaves_the_answer_alone():
    talk = listening_to_an_answer()
    assert types([*talk.speech(96), *talk.silence(960)]) == []


def test_words_interrupt_as_soon_as_they_are_recognised():
    talk = listening_to_an_answer()
    talk.speech(480)
    hear(talk, "Wait", at_pause=False)
    interrupted = talk.speech(32)
    assert types(interrupted)[0] == "input_audio_buffer.speech_started"
    assert event(interrupted, "response.done")["response"]["status_details"]["reason"] == "turn_detected"


def test_one_short_word_interrupts_at_its_pause():
    talk = listening_to_an_answer()
    talk.speech(320)
    talk.silence(128)
    hear(talk, "Stop.")
    assert "response.done" in types(talk.silence(32))
    ended = [*talk.silence(1600), *talk.transcript("Stop.")]
    assert "response.created" in types(ended)


def test_long_speech_interrupts_even_if_the_recogniser_is_late():
    talk = listening_to_an_answer()
    assert "response.done" in types(talk.speech(1600))


def test_our_own_voice_does_not_interrupt():
    talk = listening_to_an_answer()
    talk.now_ms += 1500
    talk.speech(640)
    hear(talk, "one two three", at_pause=False)
    assert types(talk.speech(640)) == []
    hear(talk, "one two three")
    assert types(talk.silence(1600)) == []


def test_partial_words_are_not_told_before_it_is_decided_that_they_are_a_turn():
    talk = listening_to_an_answer()
    talk.update(audio={"input": {"transcription": {}}})
    talk.speech(320)
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    assert types(talk.give(TranscriptReceived(item_id, Transcript("Okay")))) == []


def test_speech_after_the_answer_was_played_is_a_turn_at_once():
    talk = listening_to_an_answer()
    talk.model(Finished("stop"))
    talk.synthesize()
    talk.now_ms += 10_000
    assert types(talk.speech(96)) == ["input_audio_buffer.speech_started"]


def test_speech_right_after_an_interruption_is_a_turn_at_once():
    talk = listening_to_an_answer()
    talk.speech(1000)
    talk.silence(1600)
    talk.transcript("")
    assert types(talk.speech(96)) == ["input_audio_buffer.speech_started"]


def test_a_microphone_that_falls_silent_ends_the_turn():
    talk = Talk()
    talk.speech()
    assert of_type(talk.all, SetTimer)[-1] == SetTimer(MicrophoneTimeout(), 2032)
    talk.now_ms += 2032
    ended = talk.fire(MicrophoneTimeout())
    assert types(ended)[:2] == ["input_audio_buffer.speech_stopped", "input_audio_buffer.committed"]
    talk.transcript("What is the")
    assert of_type(talk.all, Generate)


def test_a_microphone_that_is_alive_is_checked_again():
    talk = Talk()
    talk.speech()
    talk.now_ms += 500
    assert talk.fire(MicrophoneTimeout()) == [SetTimer(MicrophoneTimeout(), 1532)]


def semantic() -> Talk:
    talk = Talk()
    talk.update(audio=SEMANTIC)
    return talk


def judge(talk: Talk, ending: WordsEnding) -> list:
    """Judge the words of which that was asked last."""
    asked = of_type(talk.all, JudgeWords)[-1]
    return talk.give(WordsJudged(asked.item_id, asked.text, ending))


def pause_after(ending: WordsEnding | None) -> int:
    """How long a pause after words that are judged so lasts; None: they are not judged."""
    talk = semantic()
    talk.speech()
    talk.silence(128)
    hear(talk, "What time is it?")
    if ending is not None:
        judge(talk, ending)
    return ends_after_ms(talk)


def test_words_that_end_a_turn_end_it_sooner_than_others():
    assert pause_after(DONE) <= 480
    assert pause_after(DONE) < pause_after(None) < pause_after(OPEN) <= 1504


def test_marks_of_the_recogniser_alone_do_not_make_an_end():
    assert pause_after(DONE) < pause_after(WordsEnding(as_recognized=0.9, plain=0.001)) < pause_after(OPEN)


def asked_language(*, session: str | None = None, heard: str | None = None, translate: str | None = None) -> str | None:
    """The language in which words are judged, in a `session` of this language, if the recogniser `heard` this one."""
    talk = semantic()
    captions = {"captions": {"room": "main", "translate": translate}}
    talk.update(streamsrv=captions, audio={"input": {"transcription": {}}})
    if session is not None:
        talk.update(audio={"input": {"transcription": {"language": session}}})
    talk.speech()
    talk.silence(128)
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    talk.give(TranscriptReceived(item_id, Transcript("", "What time is it?", at_pause=True, language=heard)))
    return of_type(talk.all, JudgeWords)[-1].language


def test_words_are_judged_in_the_language_that_was_heard_or_that_of_the_session():
    assert asked_language(session="en") == "en"
    assert asked_language(session="de", heard="en") == "en"
    assert asked_language(session="de") == "de"
    assert asked_language(heard="de") == "de"


def test_a_translation_is_judged_in_its_own_language():
    assert asked_language(session="de", heard="de", translate="en") == "en"


def test_words_are_judged_once_in_a_pause_and_not_before():
    talk = semantic()
    talk.speech()
    hear(talk, "What time", at_pause=False)
    talk.silence(128)
    hear(talk, "What time", at_pause=False)
    assert not of_type(talk.all, JudgeWords)
    hear(talk, "What time is it?")
    judge(talk, DONE)
    hear(talk, "What time is it?")
    assert [asked.text for asked in of_type(talk.all, JudgeWords)] == ["What time is it?"]


@pytest.mark.parametrize(("late_ms", "asks"), [(64, 1), (832, 0)])
def test_words_that_come_when_the_pause_is_nearly_over_are_not_judged(late_ms, asks):
    """Without evidence a pause lasts 914 ms: a judgement would come too late, and delay the reply."""
    talk = semantic()
    talk.speech()
    talk.silence(late_ms)
    hear(talk, "What time is it?")
    assert len(of_type(talk.all, JudgeWords)) == asks


def test_the_words_of_a_long_turn_are_read_before_its_pauses():
    talk = semantic()
    talk.speech()
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    words = [f"w{number}" for number in range(16)]
    for count in range(1, 17):
        talk.give(TranscriptReceived(item_id, Transcript(" ".join(words[:count]), "or so", language="en")))
    read = of_type(talk.all, ReadWords)
    assert read == [ReadWords(" ".join(words[:8]), "en"), ReadWords(" ".join(words), "en")]


def test_nothing_is_read_where_words_are_not_judged():
    talk = Talk()
    talk.speech()
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    talk.give(TranscriptReceived(item_id, Transcript(" ".join(["word"] * 20))))
    assert not of_type(talk.all, ReadWords)


def test_a_judgement_of_words_that_have_changed_is_dropped():
    talk = semantic()
    talk.speech()
    talk.silence(128)
    hear(talk, "What time is it?")
    hear(talk, "What time is it in")
    asked = of_type(talk.all, JudgeWords)[0]
    talk.give(WordsJudged(asked.item_id, asked.text, DONE))
    assert "input_audio_buffer.speech_stopped" not in types(talk.silence(640))


def test_evidence_of_one_pause_does_not_end_a_later_one():
    talk = semantic()
    talk.speech()
    talk.silence(192)
    hear(talk, "Stop.")
    judge(talk, DONE)
    talk.speech()
    assert "input_audio_buffer.speech_stopped" not in types(talk.silence(640))


def test_the_end_of_turn_model_is_asked_once_in_each_pause_and_shortens_or_lengthens_it():
    def ends_within(ms: int, ending: WordsEnding, voice: float) -> bool:
        talk = semantic()
        talk.speech()
        talk.silence(224)
        asked = of_type(talk.all, PredictEndOfTurn)
        assert len(asked) == 1
        hear(talk, "I would like a pizza")
        judge(talk, ending)
        talk.give(EndOfTurnPredicted(asked[0].item_id, asked[0].pause, voice))
        return "input_audio_buffer.speech_stopped" in types(talk.silence(ms))

    unsure = WordsEnding(0.02, 0.02)
    assert ends_within(352, unsure, 1.0)
    assert not ends_within(352, unsure, 0.31)
    assert ends_within(640, unsure, 0.31)
    assert not ends_within(640, unsure, 0.0)


def test_a_judgement_of_an_earlier_pause_is_dropped():
    talk = semantic()
    talk.speech()
    talk.silence(224)
    late = of_type(talk.all, PredictEndOfTurn)[0]
    talk.speech()
    talk.silence(224)
    hear(talk, "I would like a pizza")
    talk.give(EndOfTurnPredicted(late.item_id, late.pause, 0.99))
    assert "input_audio_buffer.speech_stopped" not in types(talk.silence(352))


def test_server_vad_keeps_to_its_silence_whatever_was_said():
    talk = Talk()
    talk.speech()
    talk.silence(192)
    hear(talk, "What time is it?")
    assert "input_audio_buffer.speech_stopped" not in types(talk.silence(288))
    assert "input_audio_buffer.speech_stopped" in types(talk.silence(64))
    assert not of_type(talk.all, PredictEndOfTurn)


def ends_after_ms(talk: Talk) -> int:
    """How long the pause lasts until the turn is committed; it has lasted 128 ms."""
    for ms in range(160, 4000, 32):
        if "input_audio_buffer.committed" in types(talk.silence(32)):
            return ms
    raise AssertionError("the turn did not end")


def judged(ending: WordsEnding, end_of_turn: float | None, *, at_pause: bool = True) -> int:
    """The length of a pause in which the recogniser judges whether the speaker is done."""
    talk = semantic()
    talk.speech()
    talk.silence(128)
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    words = Transcript("What time is it", at_pause=at_pause, end_of_turn=end_of_turn)
    talk.give(TranscriptReceived(item_id, words))
    if at_pause:
        judge(talk, ending)
    return ends_after_ms(talk)


def test_the_end_of_turn_of_a_recogniser_shortens_or_lengthens_the_pause():
    unsure = WordsEnding(0.02, 0.02)
    assert judged(unsure, 0.99) < judged(unsure, None) < judged(unsure, 0.01)


def test_a_recogniser_that_is_wrongly_sure_does_not_cut_a_speaker_in_a_clause():
    assert judged(OPEN, 1.0) >= 1000


def test_what_a_recogniser_says_before_it_has_heard_the_pause_is_no_judgement_of_it():
    assert judged(OPEN, 0.99, at_pause=False) == judged(OPEN, None, at_pause=False)


def test_a_judgement_of_a_recogniser_ends_with_its_pause():
    talk = semantic()
    talk.speech()
    talk.silence(128)
    item_id = of_type(talk.all, OpenRecognition)[-1].item_id
    talk.give(TranscriptReceived(item_id, Transcript("What time is it?", at_pause=True, end_of_turn=0.99)))
    talk.speech(320)
    talk.silence(128)
    talk.give(TranscriptReceived(item_id, Transcript("What time is it? In", at_pause=True)))
    judge(talk, OPEN)
    assert ends_after_ms(talk) >= 1440


def semantic_talk() -> Talk:
    talk = Talk()
    talk.update(audio=SEMANTIC)
    return talk


def answer_to(talk: Talk, text: str) -> dict:
    """Give the turn that has ended its words and an answer; return the answer as the client sees it."""
    talk.transcript(text)
    talk.model("Yes.", Finished("stop"))
    return event(talk.synthesize(), "response.done")["response"]


def test_an_answer_tells_why_the_pause_before_it_was_long_enough():
    talk = semantic_talk()
    talk.speech(640)
    predicted = of_type(talk.silence(96), PredictEndOfTurn)[-1]
    hear(talk, "What time is it?")
    talk.give(WordsJudged(predicted.item_id, "What time is it?", DONE))
    talk.give(EndOfTurnPredicted(predicted.item_id, predicted.pause, 0.9))
    talk.silence(1600)
    assert answer_to(talk, "What time is it?")["streamsrv"]["turn"] == {
        "limit_ms": pause_limit_ms(Evidence(words=DONE, voice=0.9)),
        "pace": 1.0,
        "voice": 0.9,
        "words": {"as_recognized": 0.9, "plain": 0.9},
    }


def test_who_pauses_long_inside_turns_is_waited_for_longer_also_after_an_update():
    talk = semantic_talk()
    usual_ms = pause_limit_ms(Evidence())
    for _ in range(8):
        talk.speech(640)
        talk.silence(usual_ms - 64)
    talk.speech(640)
    talk.update(audio=SEMANTIC)
    talk.silence(2000)
    turn = answer_to(talk, "Well then.")["streamsrv"]["turn"]
    assert turn["pace"] > 1.1
    assert turn["limit_ms"] == pause_limit_ms(Evidence(), pace=turn["pace"])


def test_with_server_vad_nothing_is_told_of_pauses():
    talk = Talk()
    talk.speech(640)
    talk.silence(1000)
    assert "turn" not in answer_to(talk, "Hello.")["streamsrv"]
