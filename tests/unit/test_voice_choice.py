"""Which voice speaks, in which language, and by which names clients know it."""

from pathlib import Path

import pytest

from streamsrv.engines.tts.base import ReferenceVoice, SpeechOptions, Voice
from streamsrv.engines.tts.failover.voice_choice import VoiceChoice, openai_aliases
from streamsrv.protocol.openai_voices import OPENAI_VOICES
from streamsrv.testing.fakes import ToneSynthesizer


def synthesizer(name: str, *voices: Voice, clones: bool = False) -> ToneSynthesizer:
    made = ToneSynthesizer()
    made.name, made.voices, made.clones_voices = name, voices, clones
    return made


def voice(name: str, languages: str = "en", gender: str = "") -> Voice:
    return Voice(name, frozenset(languages.split()), gender=gender)  # type: ignore[arg-type]


EMBEDDED = synthesizer("embedded", voice("calm", gender="female"), voice("deep", gender="male"))
GERMAN = synthesizer("german", voice("kerstin", "de", "female"), voice("thorsten", "de", "male"))
ENGLISH = synthesizer("english", voice("joe", gender="male"), voice("calm", "en-x"))
SPARE = synthesizer("spare", voice("robot", ""))
CHOICE = VoiceChoice({"": [EMBEDDED, ENGLISH], "de": [GERMAN]}, [SPARE])


def chosen(choice: VoiceChoice, **options) -> list[tuple[str, str]]:
    return [(each.synthesizer.name, each.voice.name) for each in choice.candidates(SpeechOptions(**options))]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [("embedded", "calm"), ("english", "joe"), ("spare", "robot")]),
        ({"voice": "nobody"}, [("embedded", "calm"), ("english", "joe"), ("spare", "robot")]),
        ({"voice": "deep"}, [("embedded", "deep"), ("english", "joe"), ("spare", "robot")]),
        ({"voice": "joe"}, [("english", "joe"), ("embedded", "deep"), ("spare", "robot")]),
        ({"voice": "robot"}, [("spare", "robot"), ("embedded", "calm"), ("english", "joe")]),
        ({"language": "de"}, [("german", "kerstin"), ("spare", "robot")]),
        ({"voice": "deep", "language": "de"}, [("german", "thorsten"), ("spare", "robot")]),
        ({"voice": "thorsten", "language": "de"}, [("german", "thorsten"), ("spare", "robot")]),
        ({"voice": "thorsten"}, [("embedded", "deep"), ("english", "joe"), ("spare", "robot")]),
        ({"voice": "robot", "language": "de"}, [("spare", "robot"), ("german", "kerstin")]),
        ({"language": "ja"}, [("spare", "robot")]),
    ],
)
def test_the_voice_of_the_options_speaks_what_it_can_and_others_of_its_gender_the_rest(options, expected):
    assert chosen(CHOICE, **options) == expected


def test_where_no_voice_speaks_the_language_all_are_tried():
    choice = VoiceChoice({"": [EMBEDDED], "de": [GERMAN]})
    assert chosen(choice, voice="deep", language="ja") == [("embedded", "deep"), ("german", "thorsten")]


def test_the_chain_of_a_language_goes_before_the_default_voice_but_not_before_another_that_was_named():
    choice = VoiceChoice({"": [EMBEDDED], "en": [ENGLISH]})
    assert [name for name, _ in chosen(choice, voice="calm")] == ["english", "embedded"]
    assert [name for name, _ in chosen(choice, voice="deep")] == ["embedded", "english"]


def test_a_recording_is_spoken_with_by_who_clones_voices_first():
    cloning = synthesizer("cloning", voice("stock"), clones=True)
    choice = VoiceChoice({"": [EMBEDDED, cloning]})
    reference = ReferenceVoice("mine", Path("mine.wav"))
    assert [name for name, _ in chosen(choice, reference=reference)] == ["cloning", "embedded"]


def test_voices_of_one_name_are_listed_with_their_synthesiser_and_found_by_every_name():
    twin = synthesizer("twin", voice("calm", "fr"), voice("other"))
    choice = VoiceChoice({"": [EMBEDDED, twin]})
    assert [each.name for each in choice.voices] == ["embedded/calm", "deep", "twin/calm", "other"]
    aliases = choice.aliases
    assert (aliases["calm"], aliases["embedded/deep"], aliases["twin/other"]) == ("embedded/calm", "deep", "other")
    assert chosen(choice, voice="twin/calm", language="fr")[0] == ("twin", "calm")
    assert chosen(choice, voice="embedded/deep")[0] == ("embedded", "deep")


def test_openais_names_mean_a_voice_of_their_gender_in_the_language_of_the_default_voice():
    aliases = CHOICE.aliases
    assert {aliases[name] for name, gender in OPENAI_VOICES.items() if gender == "female"} == {"embedded/calm"}
    assert {aliases[name] for name, gender in OPENAI_VOICES.items() if gender == "male"} == {"deep"}


def test_openais_names_mean_the_default_voice_where_there_is_no_other_of_their_gender():
    only = [voice("calm", gender="female"), voice("thorsten", "de", "male")]
    assert set(openai_aliases(only).values()) == {"calm"}
    assert openai_aliases([]) == {}


def test_a_voice_with_the_name_of_one_of_openais_is_meant_by_that_name():
    first = synthesizer("first", voice("marin", gender="female"), voice("alloy", gender="female"))
    assert {"alloy", "marin"}.isdisjoint(VoiceChoice({"": [first]}).aliases)
    assert {"alloy", "marin"}.isdisjoint(openai_aliases(first.voices))
    assert VoiceChoice({"": [first]}).aliases["nova"] == "marin"
    twin = synthesizer("twin", voice("alloy", gender="female"))
    assert VoiceChoice({"": [first, twin]}).aliases["alloy"] == "first/alloy"


def test_openais_names_do_not_mean_a_voice_that_only_stands_in():
    spare = synthesizer("spare", voice("robot", "", "male"))
    female = synthesizer("female", voice("calm", gender="female"))
    assert VoiceChoice({"": [female]}, [spare]).aliases["echo"] == "calm"
    assert VoiceChoice({"": [female], "de": [spare]}).aliases["echo"] == "calm"
    assert VoiceChoice({"": [female], "en": [spare]}).aliases["echo"] == "robot"


def test_a_language_whose_code_no_voice_has_is_spoken_by_those_that_speak_every_language():
    assert chosen(CHOICE, language="xx") == [("spare", "robot")]
