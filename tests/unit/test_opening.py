"""The session that a client opens with its query."""

from collections.abc import Mapping
from typing import Any

import pytest

from streamsrv.access.client_secrets import ClientSecrets
from streamsrv.access.opening import Offer, Opening
from streamsrv.access.principal import Principal
from streamsrv.core.capabilities import Capabilities
from streamsrv.engines.asr.base import Abilities, RecognizerFacts
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session
from streamsrv.settings import Settings

HERE = Capabilities(
    recognizers={
        "moonshine-tiny": RecognizerFacts(Abilities(frozenset({"en"}))),
        "whisper-base": RecognizerFacts(Abilities()),
        "whisper-small": RecognizerFacts(Abilities(), lacks="streamsrv pull whisper-small (486.2 MB)"),
    },
    chains={"": ["moonshine-tiny"]},
    retired={"whisper-old": "whisper-base"},
    other_models={"hibari": "synthesizer"},
)
CAPTIONS = {"intent": "transcription"}


def opened(query: Mapping[str, str], **given: Any) -> Session:
    opening = Opening(lambda _: Offer(Settings(), "scripted-model", HERE), ClientSecrets(b"k" * 32))
    return HERE.fit(opening.requested(Principal("key"), query, given))


def recognizer(session: Session) -> str | None:
    assert session.type == "transcription"
    assert session.audio.input.transcription is not None
    return session.audio.input.transcription.model


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("whisper-base", "whisper-base"),
        ("whisper-old", "whisper-base"),
        ("gpt-realtime", "moonshine-tiny"),
        ("gpt-4o-transcribe", "moonshine-tiny"),
        ("hibari", "moonshine-tiny"),
        ("", "moonshine-tiny"),
    ],
)
def test_the_model_in_the_query_of_a_transcription_session_is_its_recogniser(name: str, expected: str):
    assert recognizer(opened({**CAPTIONS, "model": name})) == expected


def test_a_recogniser_in_the_query_that_cannot_be_used_is_refused_with_what_mends_it():
    with pytest.raises(ProtocolError, match="streamsrv pull whisper-small") as refused:
        opened({**CAPTIONS, "model": "whisper-small"})
    assert refused.value.param == "session.audio.input.transcription.model"


def test_the_fields_of_the_session_come_before_its_query():
    given = {"audio": {"input": {"transcription": {"model": "moonshine-tiny"}}}}
    assert recognizer(opened({**CAPTIONS, "model": "whisper-base"}, **given)) == "moonshine-tiny"


def test_the_model_in_the_query_of_another_session_is_a_language_model():
    session = opened({"model": "whisper-base"})
    assert (session.type, session.model, session.audio.input.transcription) == ("realtime", "whisper-base", None)
