"""Each segment of a reply is spoken in its language, and a foreign name is no reason to change the voice.

The detector of these tests is a fake that knows a few words of each language: `test_language_detection.py` tests the
real one.
"""

from typing import Any

import pytest

from harness import Talk, error, event, of_type
from streamsrv.core.answers import reply_language
from streamsrv.core.answers.reply_language import ExpectedLanguage, ReplyLanguage
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.effects import Synthesize
from streamsrv.core.inputs import Failure, GenerationFailed
from streamsrv.engines.llm.base import Finished, Message

KNOWN = {
    "de": "das ist ja sehr gut natürlich gern guten tag ich bin heute hier geschwindigkeitsbegrenzung und du",
    "fr": "bonjour bien sûr je vous en prie la ville est très belle comment allez jean claude van damme de",
    "en": "the word is a it and sure of course i am here today you well that film with he said hello there how are",
}
VOICES = Capabilities(
    voices=("heart", "thorsten", "siwis"),
    voice_languages={"heart": frozenset({"en"}), "thorsten": frozenset({"de"}), "siwis": frozenset({"fr", "ru"})},
)
AMONG = frozenset({"en", "de", "fr", "ru"})


def fake_detect(text: str, among: Any, default: str) -> str:
    if any("\u0400" < letter < "\u0500" for letter in text):
        return "ru"
    words = [word.strip(".,!?'").lower() for word in text.replace("-", " ").split()]
    counts = {language: sum(word in known.split() for word in words) for language, known in KNOWN.items()}
    best = max(counts, key=lambda language: counts[language])
    return best if words and counts[best] > len(words) / 2 and best in among else default


@pytest.fixture(autouse=True)
def detector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_language, "detect_language", fake_detect)


def spoken_in(*segments: str, expected: ExpectedLanguage = ExpectedLanguage("en", AMONG)) -> list[str]:  # noqa: B008
    language = ReplyLanguage(expected)
    return [language.of(segment) for segment in segments]


@pytest.mark.parametrize(
    ("segments", "languages"),
    [
        (("The word is here.", "Das ist ja sehr gut.", "Ich bin heute hier.", "Well, that is it."), "en de de en"),
        (("He said:", "Jean-Claude Van Damme.", "Sure, that is the film."), "en en en"),
        (("Sure, the word is:", "Geschwindigkeitsbegrenzung."), "en en"),
        (("Geschwindigkeitsbegrenzung und ja", "of course.", "Sure, that is it."), "de de en"),
        (("Jean de Damme.", "Bien sûr, je suis la."), "en fr"),
        (("It is a word:", "Привет.", "That is it."), "en ru en"),
        (("🎉 *** 42", "Das ist ja gut."), "en de"),
        (("Das `ist` **ja** sehr gut.", "", "..."), "de de de"),
    ],
)
def test_several_words_change_the_language_and_a_name_does_not(segments: tuple[str, ...], languages: str):
    assert spoken_in(*segments) == languages.split()


def test_where_nothing_tells_the_language_two_words_do():
    unknown = ExpectedLanguage("en", AMONG, is_known=False)
    assert spoken_in("Bonjour, comment", "allez.", expected=unknown) == ["fr", "fr"]
    assert spoken_in("Damme.", expected=unknown) == ["en"]


def test_one_language_is_never_looked_for():
    assert spoken_in("Das ist ja sehr gut.", expected=ExpectedLanguage("en", frozenset({"en"}))) == ["en"]
    assert spoken_in("Das ist ja sehr gut.", expected=ExpectedLanguage("fr")) == ["fr"]


@pytest.mark.parametrize(
    ("messages", "start"),
    [
        ([("user", "Das ist ja sehr gut.")], "de"),
        ([("user", "Bonjour, je vous en prie."), ("assistant", "Das ist ja gut."), ("user", "Ok.")], "de"),
        ([("user", "Jean.")], "en"),
        ([("user", "Привет")], "ru"),
        ([], "en"),
    ],
)
def test_a_reply_begins_in_the_language_of_the_conversation(messages: list[tuple[Any, str]], start: str):
    expected = ExpectedLanguage("en", AMONG, is_known=False)
    assert expected.after([Message(role, text) for role, text in messages]).start == start


# Sessions


def languages(talk: Talk) -> list[str]:
    return [effect.options.language for effect in of_type(talk.all, Synthesize)]


def test_a_reply_is_spoken_in_the_language_of_each_segment():
    talk = Talk(capabilities=VOICES)
    talk.says("Hello there, how are you?")
    talk.answers("Well, I am here. Das ist ja sehr gut. That is it, of course.")
    assert languages(talk) == ["en", "de", "en"]


def test_numbers_are_read_in_the_language_of_the_segment():
    talk = Talk(capabilities=VOICES)
    talk.says("Hello there, how are you?")
    talk.answers("Well, I am here. Das ist ja 3. That is it.")
    assert [effect.text for effect in of_type(talk.all, Synthesize)][1] == "Das ist ja drei."


def test_the_first_words_are_in_the_language_of_the_user():
    talk = Talk(capabilities=VOICES)
    talk.says("Guten Tag, das ist ja gut.")
    talk.answers("Ok. Gern.")
    assert set(languages(talk)) == {"de"}


def test_an_answer_that_was_begun_in_a_pause_has_the_same_language():
    talk = Talk(capabilities=VOICES)
    talk.says("Guten Tag, das ist ja gut.")
    talk.model("Ok. ")
    assert languages(talk)[-1:] in ([], ["de"])


@pytest.mark.parametrize(("given", "held"), [("de", "de"), ("de-AT", "de"), ("German", "de"), (None, None)])
def test_a_session_may_fix_the_language(given: str | None, held: str | None):
    talk = Talk(capabilities=VOICES)
    updated = event(talk.update(streamsrv={"language": given}), "session.updated")["session"]
    assert updated["streamsrv"]["language"] == held
    talk.says("Hello there, how are you?")
    talk.answers("Well, I am here. Das ist ja sehr gut.")
    assert languages(talk) == ([held, held] if held else ["en", "de"])


@pytest.mark.parametrize("given", ["ja", "Klingon", ""])
def test_a_language_that_no_voice_speaks_is_refused(given: str):
    talk = Talk(capabilities=VOICES)
    refused = error(talk.update(streamsrv={"language": given}))
    assert (refused["code"], refused["param"]) == ("invalid_value", "session.streamsrv.language")
    if given == "ja":
        assert "'de', 'en', 'fr', 'ru'" in refused["message"]


def test_a_voice_of_any_language_speaks_all():
    anything = Capabilities(voices=("any",), voice_languages={"any": frozenset()})
    talk = Talk(capabilities=anything)
    talk.says("Hello there, how are you?")
    talk.model("Das ist ja sehr gut. ", Finished("stop"))
    assert languages(talk) == ["de"]
    assert "session.updated" in str(talk.update(streamsrv={"language": "ja"}))


def test_the_language_that_the_client_named_for_its_user_is_expected():
    talk = Talk(capabilities=VOICES)
    talk.update(audio={"input": {"transcription": {"language": "fr"}}})
    talk.says("Ok.")
    talk.answers("Ok.")
    assert languages(talk) == ["fr"]


@pytest.mark.parametrize(("capabilities", "language"), [(VOICES, "de"), (Capabilities(), None)])
def test_a_client_that_speaks_by_itself_is_told_the_language(capabilities: Capabilities, language: str | None):
    talk = Talk(capabilities=capabilities)
    talk.says("Guten Tag, das ist ja gut.")
    talk.model("Das ist ja sehr gut. ", Finished("stop"))
    lost = talk.give(GenerationFailed(talk.generation, Failure("unavailable", "mute"), "synthesizer"))
    assert event(lost, "response.done")["response"]["streamsrv"]["voice_failed"]["language"] == language
