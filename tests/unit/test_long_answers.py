"""Answers that are longer than anybody listens to."""

import pytest

from harness import Talk, event, of_type
from streamsrv.core.answers import spoken_segments
from streamsrv.core.effects import SetTimer, Synthesize
from streamsrv.core.timers import SpeechDue
from streamsrv.engines.llm.base import Finished
from streamsrv.text.speakable import spoken_text
from streamsrv.text.spoken_text import SpokenText

SENTENCE = "The river runs past the old mill and the garden. "
WORDS = 10_000
ANSWER = (SENTENCE * WORDS)[: len(SENTENCE) * WORDS // 10]


def test_it_is_cut_as_it_is_spoken(monkeypatch: pytest.MonkeyPatch):
    """A server may give all of it at once; cutting it at once would stop all sessions for most of a second."""
    cut: list[str] = []

    def counted(text: str, language: str, **numbers: bool) -> SpokenText:
        cut.append(text)
        return spoken_text(text, language, **numbers)

    monkeypatch.setattr(spoken_segments, "spoken_text", counted)
    talk = Talk()
    talk.says("Tell me everything.")
    talk.model(ANSWER, Finished("stop"))
    assert sum(map(len, cut)) < 1000


def test_all_of_it_is_spoken_and_no_more_is_synthesised_than_is_soon_played():
    talk = Talk()
    talk.says("Tell me everything.")
    talk.model(ANSWER, Finished("stop"))
    effects = talk.synthesize()
    while timers := of_type(effects, SetTimer):
        assert len(of_type(effects, Synthesize)) < 10
        due = next(timer for timer in timers if isinstance(timer.key, SpeechDue))
        talk.now_ms += due.delay_ms
        effects = [*talk.fire(due.key), *talk.synthesize()]
    response = event(talk.all, "response.done")["response"]
    assert response["status"] == "completed"
    assert len(response["output"][0]["content"][0]["transcript"].split()) == WORDS


def test_an_interruption_leaves_the_words_that_were_heard():
    talk = Talk()
    talk.says("Tell me everything.")
    talk.model(ANSWER, Finished("stop"))
    talk.synthesize()
    talk.silence(3200)
    talk.speech()
    talk.partial("No, please stop talking")
    response = event(talk.all, "response.done")["response"]
    assert (response["status"], response["status_details"]["reason"]) == ("cancelled", "turn_detected")
    heard = talk.core._conversation.items[1].content[0].transcript  # type: ignore[union-attr]
    assert 0 < len(heard.split()) < 30
