"""What the language model is told so that its answers can be spoken."""

from harness import Talk, event, of_type
from streamsrv.core.effects import Generate, PrepareModel
from streamsrv.engines.llm.base import Message
from streamsrv.settings import Settings
from streamsrv.text.voice_manners import VoiceManners

MANNERS = VoiceManners("Speak {language}.")


def system(talk: Talk) -> str:
    """The system prompt of the last question to the model."""
    first, *rest = of_type(talk.all, Generate)[-1].messages
    assert first.role == "system"
    assert all(message.role != "system" for message in rest)
    return first.content


def test_a_spoken_answer_has_the_preface_before_the_instructions_of_the_client():
    talk = Talk(manners=MANNERS)
    talk.update(instructions="Be a pirate.")
    talk.says("Hello.")
    assert system(talk) == "Speak the user's language.\n\nBe a pirate."


def test_the_client_sees_its_own_instructions():
    talk = Talk(manners=MANNERS)
    updated = event(talk.update(instructions="Be a pirate."), "session.updated")
    assert updated["session"]["instructions"] == "Be a pirate."


def test_without_instructions_the_preface_stands_alone():
    talk = Talk(manners=MANNERS)
    talk.says("Hello.")
    assert system(talk) == "Speak the user's language."


def test_the_language_is_the_one_that_the_client_names():
    talk = Talk(manners=MANNERS)
    talk.update(audio={"input": {"transcription": {"language": "de"}}})
    talk.says("Guten Tag.")
    assert system(talk) == "Speak German."
    talk.update(audio={"input": {"transcription": {"language": "pt-BR"}}})
    talk.answers("Ja.")
    talk.says("Bom dia.")
    assert system(talk) == "Speak Portuguese."


def test_a_written_answer_has_no_preface():
    talk = Talk(manners=MANNERS, instructions="Be brief.", output_modalities=["text"])
    talk.send("response.create")
    assert system(talk) == "Be brief."
    talk = Talk(manners=MANNERS, instructions="Be brief.")
    talk.send("response.create", response={"output_modalities": ["text"]})
    assert system(talk) == "Be brief."


def test_a_response_with_instructions_of_its_own_has_the_preface_too():
    talk = Talk(manners=MANNERS, instructions="Be brief.")
    talk.send("response.create", response={"instructions": "Say hello.", "conversation": "none"})
    assert system(talk) == "Speak the user's language.\n\nSay hello."


def test_the_preface_can_be_turned_off():
    assert Settings().voice_preface
    assert Settings(voice_preface="").voice_preface == ""
    talk = Talk(manners=VoiceManners(""), instructions="Be brief.")
    talk.says("Hello.")
    assert system(talk) == "Be brief."
    talk = Talk(manners=VoiceManners(""))
    talk.says("Hello.")
    assert of_type(talk.all, Generate)[-1].messages == (Message("user", "Hello."),)


def test_what_is_read_in_advance_is_what_the_questions_begin_with():
    talk = Talk(manners=MANNERS, instructions="Be brief.")
    talk.says("Hello.")
    read = of_type(talk.all, PrepareModel)[-1].messages
    assert read == of_type(talk.all, Generate)[-1].messages[: len(read)]


def test_another_language_or_modality_is_read_in_advance():
    talk = Talk(manners=MANNERS, instructions="Be brief.")
    german = of_type(talk.update(audio={"input": {"transcription": {"language": "de"}}}), PrepareModel)
    assert german[0].messages == (Message("system", "Speak German.\n\nBe brief."),)
    written = of_type(talk.update(output_modalities=["text"]), PrepareModel)
    assert written[0].messages == (Message("system", "Be brief."),)
    assert not of_type(talk.update(tools=[]), PrepareModel)


def test_other_braces_in_a_preface_stay():
    assert VoiceManners("Say {x} {} {{").instructions("") == "Say {x} {} {{"
