"""What a server can do, against what a client asks for: in a session, in a response, and what is echoed."""

from dataclasses import replace
from typing import Any

import pytest

from harness import Talk, counting_ids, event, of_type
from streamsrv.core.capabilities import OPENAI_VOICES, Capabilities
from streamsrv.core.effects import Generate, OpenRecognition, Synthesize
from streamsrv.core.session import SessionCore
from streamsrv.engines.asr.base import Abilities, RecognizerFacts
from streamsrv.protocol.client_events import MalformedEvent
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session, Tracing, Transcription

ENGLISH = Capabilities(
    formats=frozenset({"audio/pcm", "audio/pcmu"}),
    voices=("hibari", "lark"),
    min_speed=0.5,
    max_speed=2.0,
    recognizers={
        "moonshine-tiny": RecognizerFacts(Abilities(frozenset({"en"}))),
        "vosk-ko": RecognizerFacts(Abilities(frozenset({"ko"})), lacks="streamsrv pull vosk-ko (48 MB)"),
        "whisper-base": RecognizerFacts(Abilities(frozenset({"de", "en", "ja"}), detects_language=True, prompt=True)),
        "assemblyai": RecognizerFacts(Abilities(frozenset({"en"})), lacks="set ASSEMBLYAI_API_KEY"),
    },
    chains={"": ["moonshine-tiny"]},
    other_models={"hibari": "synthesizer"},
)


def transcriber(capabilities: Capabilities = ENGLISH, **asked: str) -> tuple[str | None, str | None]:
    """The recogniser and the language that are in force."""
    meant = capabilities.transcription(Transcription(**asked), str)
    return meant.model, meant.language


class AbleTalk(Talk):
    """A session of a server that can do what `ENGLISH` says."""

    def __init__(self, **session: Any) -> None:
        super().__init__()
        self.core = SessionCore(Session(id="sess_1", **session), new_id=counting_ids(), capabilities=ENGLISH)
        self.all = self.core.start()


def transcription(**fields: Any) -> dict[str, Any]:
    return {"audio": {"input": {"transcription": fields}}}


def output(**fields: Any) -> dict[str, Any]:
    return {"audio": {"output": fields}}


SPEAKERS = replace(
    ENGLISH,
    voices=("heart", "robot", "robot-2"),
    voice_aliases={"nova": "robot"},
    synthesizers={"hibari": ("heart",), "espeak": ("robot", "robot-2")},
    other_models={"hibari": "synthesizer", "espeak": "synthesizer", "piper": "synthesizer", "smollm": "chat"},
)


@pytest.mark.parametrize(
    ("model", "voice", "meant"),
    [
        ("tts-1", "alloy", "heart"), ("", "", "heart"), ("any", "robot-2", "robot-2"), ("tts-1", "nova", "robot"),
        ("hibari", "alloy", "heart"), ("hibari", "nova", "heart"),
        ("espeak", "", "robot"), ("espeak", "alloy", "robot"), ("espeak", "robot-2", "robot-2"),
    ],
)  # fmt: skip
def test_the_name_of_a_synthesizer_means_one_of_its_voices(model: str, voice: str, meant: str):
    assert SPEAKERS.voice_of_model(model, voice) == meant


@pytest.mark.parametrize(
    ("model", "voice", "param"),
    [
        ("hibari", "robot", "voice"), ("espeak", "heart", "voice"), ("any", "nobody", "voice"),
        ("moonshine-tiny", "alloy", "model"), ("smollm", "", "model"), ("piper", "", "model"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_speak_or_lacks_the_voice_is_refused(model: str, voice: str, param: str):
    with pytest.raises(ProtocolError) as refused:
        SPEAKERS.voice_of_model(model, voice)
    assert (refused.value.code, refused.value.param) == ("invalid_value", param)


@pytest.mark.parametrize("name", ["hibari", "lark"])
def test_a_loaded_voice_is_in_force(name: str):
    assert ENGLISH.voice(name, "voice") == name


@pytest.mark.parametrize("name", ["", "default", "Default", "Alloy", *sorted(OPENAI_VOICES)])
def test_voices_of_openai_are_the_default_one(name: str):
    assert ENGLISH.voice(name, "voice") == "hibari"


@pytest.mark.parametrize("name", ["nobody", "hibari2", "HIBARI", "alloy ", "voice_68f0", "v" * 256])
def test_an_unknown_voice_is_refused_with_those_that_there_are(name: str):
    with pytest.raises(ProtocolError, match="accepted are 'hibari', 'lark'") as refused:
        ENGLISH.voice(name, "session.audio.output.voice")
    assert (refused.value.code, refused.value.param) == ("invalid_value", "session.audio.output.voice")
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("given", ["en", "EN", "en-US", "en_GB", "English", "english"])
def test_a_language_is_echoed_as_its_code(given: str):
    assert transcriber(language=given) == ("moonshine-tiny", "en")


@pytest.mark.parametrize("given", ["fr", "fr-FR", "French", "auto", "日本", "xx", "english please"])
def test_a_language_that_is_not_recognised_is_refused(given: str):
    with pytest.raises(ProtocolError) as refused:
        transcriber(language=given)
    assert given in refused.value.message or "'fr'" in refused.value.message
    assert refused.value.param == "language"


def test_a_recogniser_of_all_languages_takes_each():
    whisper = Capabilities(recognizers={"whisper": RecognizerFacts(Abilities())}, chains={"": ["whisper"]})
    assert transcriber(whisper, language="de-AT") == ("whisper", "de")


@pytest.mark.parametrize("name", ["", "whisper-1", "default"])
def test_a_language_that_the_default_recogniser_does_not_know_gets_one_that_does(name: str):
    assert transcriber(model=name, language="German") == ("whisper-base", "de")


def test_the_chain_of_a_language_is_preferred():
    capabilities = replace(ENGLISH, chains={"": ["moonshine-tiny"], "en": ["whisper-base", "moonshine-tiny"]})
    assert transcriber(capabilities, language="en") == ("whisper-base", "en")
    assert transcriber(capabilities) == ("moonshine-tiny", None)


def test_a_language_that_a_model_without_its_weights_would_know_is_refused_with_the_command():
    with pytest.raises(ProtocolError, match=r"would know 'ko' on this server: 'vosk-ko' \(streamsrv pull vosk-ko"):
        transcriber(language="ko")


def test_a_named_recogniser_is_in_force():
    assert transcriber(model="whisper-base") == ("whisper-base", None)
    assert transcriber(model="whisper-base", language="ja") == ("whisper-base", "ja")


def test_a_language_that_the_named_recogniser_does_not_know_is_refused_with_those_that_do():
    with pytest.raises(ProtocolError, match="'moonshine-tiny' knows 'en'; these know 'de': 'whisper-base'") as refused:
        transcriber(model="moonshine-tiny", language="de")
    assert refused.value.param == "language"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hibari", "it is a synthesizer, not a recogniser"),
        ("vosk-ko", "this server cannot use it yet (streamsrv pull vosk-ko (48 MB))"),
        ("assemblyai", "this server cannot use it yet (set ASSEMBLYAI_API_KEY)"),
        ("no-such-model", "there is no such recogniser"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_with_the_reason_and_those_that_can(name: str, reason: str):
    with pytest.raises(ProtocolError) as refused:
        transcriber(model=name)
    assert f"Invalid value '{name}' for 'model': {reason}; accepted are 'moonshine-tiny'" in refused.value.message
    assert (refused.value.code, refused.value.param) == ("invalid_value", "model")


@pytest.mark.parametrize(
    "name",
    ["whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe-2025-12-15",
     "gpt-realtime-whisper", "moonshine-tiny", "default", ""],
)  # fmt: skip
def test_models_of_openai_are_the_loaded_recogniser(name: str):
    assert transcriber(model=name) == ("moonshine-tiny", None)


@pytest.mark.parametrize("name", ["whisper-9", "whisper-1-large", "moonshine-base", "gpt-4o", "nova-3", "Whisper-Base"])
def test_another_recogniser_is_refused(name: str):
    with pytest.raises(ProtocolError, match="accepted are 'moonshine-tiny', 'whisper-base', and the names of OpenAI's"):
        transcriber(model=name)


def test_without_facts_everything_is_taken_as_it_is():
    anything = Capabilities()
    assert anything.voice("nobody", "voice") == "nobody"
    assert transcriber(anything, model="nova-3", language="de", prompt="Grüße") == ("nova-3", "de")
    anything.check_speed(40, "speed")


@pytest.mark.parametrize("speed", [0.49, 2.01, float("nan")])
def test_a_speed_that_the_voice_cannot_do_is_refused(speed: float):
    with pytest.raises(ProtocolError, match=r"at 0\.5 to 2 of its pace"):
        ENGLISH.check_speed(speed, "speed")


@pytest.mark.parametrize(
    ("update", "param"),
    [
        (transcription(language="fr"), "session.audio.input.transcription.language"),
        (transcription(language="nonsense"), "session.audio.input.transcription.language"),
        (transcription(model="nova-3"), "session.audio.input.transcription.model"),
        (transcription(model="whisper-1", prompt="Names: Ada"), "session.audio.input.transcription.prompt"),
        (output(voice="nobody"), "session.audio.output.voice"),
        (output(voice={"id": "voice_1"}), "session.audio.output.voice"),
        (output(speed=0.3), "session.audio.output.speed"),
        (output(format={"type": "audio/pcma"}), "session.audio.output.format"),
        ({"audio": {"input": {"format": {"type": "audio/pcma"}}}}, "session.audio.input.format"),
    ],
)
def test_a_session_refuses_what_the_server_cannot_do_and_stays_as_it_is(update: dict[str, Any], param: str):
    talk = AbleTalk()
    before = talk.core.session
    error = event(talk.send("session.update", event_id="mine", session=update), "error")["error"]
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", param, "mine")
    assert talk.core.session == before


def test_a_session_says_what_is_in_force():
    talk = AbleTalk()
    created = event(talk.all, "session.created")["session"]
    assert created["audio"]["output"]["voice"] == "hibari"
    asked = {"audio": {"input": transcription(model="gpt-4o-transcribe", language="en-US", prompt="")["audio"]["input"],
                       "output": {"voice": "marin"}}}  # fmt: skip
    said = event(talk.update(**asked), "session.updated")["session"]["audio"]
    assert said["output"]["voice"] == "hibari"
    held = said["input"]["transcription"]
    assert (held["model"], held["language"]) == ("moonshine-tiny", "en")
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad"}}})
    talk.speech()
    assert of_type(talk.all, OpenRecognition)[-1].options.language == "en"


def recognizer_in_force(talk: AbleTalk, **asked: str | None) -> tuple[str, str | None]:
    """The recogniser and the language of the session after an update, and of the next recognition."""
    said = event(talk.update(**transcription(**asked)), "session.updated")["session"]["audio"]["input"]
    talk.speech()
    opened = of_type(talk.all, OpenRecognition)[-1]
    talk.silence(1000)
    held = (said["transcription"]["model"], said["transcription"].get("language"))
    assert held == (opened.model, opened.options.language)
    return held


def test_a_session_changes_its_recogniser_with_its_language():
    talk = AbleTalk()
    assert recognizer_in_force(talk, model="whisper-1") == ("moonshine-tiny", None)
    assert recognizer_in_force(talk, language="de") == ("whisper-base", "de")
    assert recognizer_in_force(talk, language="en") == ("moonshine-tiny", "en")
    assert recognizer_in_force(talk, model="whisper-base") == ("whisper-base", "en")
    assert recognizer_in_force(talk, language="ja") == ("whisper-base", "ja")
    assert recognizer_in_force(talk, language=None) == ("whisper-base", None)


def test_another_voice_is_echoed_and_speaks():
    talk = AbleTalk()
    assert (
        event(talk.update(**output(voice="lark")), "session.updated")["session"]["audio"]["output"]["voice"] == "lark"
    )
    talk.send("response.create")
    talk.answers("Good morning to you.")
    assert of_type(talk.all, Synthesize)[0].options.voice == "lark"


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"voice": "nobody"}, "response.audio.output.voice"),
        ({"voice": {"id": "voice_1"}}, "response.audio.output.voice"),
        ({"speed": 0.3}, "response.audio.output.speed"),
        ({"format": {"type": "audio/pcma"}}, "response.audio.output.format"),
    ],
)
def test_a_response_refuses_what_the_voice_cannot_do(given: dict[str, Any], param: str):
    talk = AbleTalk()
    effects = talk.send("response.create", event_id="mine", response={"audio": {"output": given}})
    error = event(effects, "error")["error"]
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", param, "mine")
    assert not of_type(effects, Generate)


# --- reasoning effort -------------------------------------------------------------------------------------------------


def efforts(talk: Talk) -> list[str | None]:
    return [asked.options.reasoning_effort for asked in of_type(talk.all, Generate)]


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh"])
def test_the_effort_of_a_session_is_echoed_and_reaches_the_model(effort: str):
    talk = AbleTalk()
    assert event(talk.update(reasoning={"effort": effort}), "session.updated")["session"]["reasoning"] == {
        "effort": effort
    }
    talk.send("response.create")
    assert efforts(talk) == [effort]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"reasoning": {"effort": "high"}}, "high"),
        ({"reasoning": None}, None),
        ({"reasoning": {}}, None),
        ({}, "low"),
    ],
)
def test_a_response_has_its_own_effort_or_that_of_the_session(given: dict[str, Any], expected: str | None):
    talk = AbleTalk()
    talk.update(reasoning={"effort": "low"})
    talk.send("response.create", response=given)
    assert efforts(talk) == [expected]


def test_without_an_effort_the_model_is_told_none():
    talk = AbleTalk()
    talk.send("response.create")
    assert efforts(talk) == [None]


@pytest.mark.parametrize("effort", ["maximal", "", 3, True])
def test_an_unknown_effort_is_refused(effort: object):
    talk = AbleTalk()
    from_session = talk.core.session
    with pytest.raises(MalformedEvent) as refused:
        talk.send("response.create", response={"reasoning": {"effort": effort}})
    assert refused.value.error.param == "response.reasoning.effort"
    error = event(talk.update(reasoning={"effort": effort}), "error")["error"]
    assert error["param"] == "session.reasoning.effort"
    assert talk.core.session == from_session


def test_a_server_without_tracing_takes_no_description_of_a_trace():
    capabilities = Capabilities(has_tracing=False)
    assert capabilities.fit(Session(id="sess_1", tracing="auto")).tracing is None
    with pytest.raises(ProtocolError, match="does not trace sessions") as refused:
        capabilities.fit(Session(id="sess_1", tracing=Tracing(workflow_name="w")))
    assert refused.value.param == "session.tracing"
    assert Capabilities().fit(Session(id="sess_1", tracing="auto")).tracing == "auto"
