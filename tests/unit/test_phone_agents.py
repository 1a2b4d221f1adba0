"""Who answers a number, how callers are named, and the tokens of media sockets."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from streamsrv.access.principal import LOOPBACK
from streamsrv.phone_settings import PhoneNumberSettings
from streamsrv.protocol.session_object import Session
from streamsrv.protocol.session_update import update_session
from streamsrv.settings import Settings
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.agents import find_agent
from streamsrv.transports.telephony.caller_ids import caller_id
from streamsrv.transports.telephony.line import CallFacts
from streamsrv.transports.telephony.tokens import (
    MAX_TOKENS,
    TOKEN_LIFETIME_S,
    Admitted,
    NoRoomForTokens,
    PhoneTokens,
    TokenRefused,
)

FACTS = CallFacts("twilio", "CA1", "+15550001", "+4930123")


def settings_of(*tables: dict[str, Any]) -> Settings:
    return Settings(
        phone_number=tuple(PhoneNumberSettings(**table) for table in tables), recording_folder=Path("calls")
    )


def answering(settings: Settings, called: str, provider: str = "twilio") -> str | None:
    agent = find_agent(settings, CallFacts(provider, "1", called=called))
    return None if agent is None else agent.name


@pytest.mark.parametrize(
    ("called", "provider", "name"),
    [
        ("+4930123", "twilio", "desk"),
        ("4930123", "vonage", "desk"),
        ("+49 30 123", "twilio", "desk"),
        ("+49309", "twilio", "berlin"),
        ("+49401", "twilio", "germany"),
        ("+4930123", "telnyx", "telnyx-desk"),
        ("sip:100@host.example", "sip", "phone"),
        ("sip:sales@host.example;transport=tls", "sip", "sales"),
        ("tel:+4930123", "sip", "desk"),
        ("+1555", "twilio", None),
        ("", "twilio", None),
    ],
)
def test_the_most_exact_table_answers(called: str, provider: str, name: str | None):
    settings = settings_of(
        {"name": "germany", "numbers": ["+49*"]},
        {"name": "berlin", "numbers": ["+4930*"]},
        {"name": "desk", "numbers": ["+49 30 123"]},
        {"name": "telnyx-desk", "numbers": ["+4930123"], "providers": ["telnyx"]},
        {"name": "phone", "numbers": ["100"]},
        {"name": "sales", "numbers": ["sales"]},
    )
    assert answering(settings, called, provider) == name


def test_a_star_answers_everything():
    assert answering(settings_of({"numbers": ["*"]}), "+1555") == "any"
    assert answering(settings_of({"numbers": ["*"]}), "") == "any"


def test_turns_are_found_by_what_is_said_unless_the_table_says_otherwise():
    """Echoes of replies in handsets are speech for a detector, and would be turns with `server_vad`."""
    for given, expected in (({}, "semantic_vad"), ({"turn_detection": "server_vad"}, "server_vad")):
        agent = find_agent(settings_of({"numbers": ["*"], **given}), FACTS)
        assert agent is not None
        assert agent.session["audio"]["input"]["turn_detection"] == {"type": expected}


def test_a_table_becomes_a_session_that_is_accepted():
    table = {
        "numbers": ["*"], "name": "desk", "instructions": "Be brief.", "voice": "default", "speed": 1.2,
        "language": "en", "turn_detection": "semantic_vad", "greeting": "Hello.", "max_minutes": 5, "record": True,
    }  # fmt: skip
    agent = find_agent(settings_of(table), FACTS)
    assert agent is not None
    assert agent.name == "desk"
    assert (agent.rules.greeting, agent.max_minutes, agent.records, agent.application) == ("Hello.", 5, True, None)
    session = update_session(Session(id="sess_1"), agent.session)
    assert (session.instructions, session.audio.output.speed, session.spoken_language) == ("Be brief.", 1.2, "en")
    assert session.audio.input.transcription is not None
    assert session.audio.input.transcription.language == "en"


def test_a_caller_has_one_name_with_one_key():
    settings = Settings(secret_key="x" * 32)  # type: ignore[arg-type]
    assert caller_id("+49 30 123", settings) == caller_id("4930123", settings) != caller_id("+4930124", settings)
    assert caller_id("+4930123", settings) != caller_id("+4930123", Settings())
    assert "30123" not in caller_id("+4930123", settings)
    assert caller_id("", settings) == "anonymous"


def tokens() -> PhoneTokens:
    numbers = itertools.count()
    return PhoneTokens(lambda: f"token-{next(numbers)}")


ADMITTED = Admitted(FACTS, Agent("desk"), LOOPBACK)


def test_a_token_opens_one_socket_of_its_call():
    held = tokens()
    token = held.issue(ADMITTED, 0)
    assert held.redeem(token, "twilio", "CA1", TOKEN_LIFETIME_S - 1) is ADMITTED
    with pytest.raises(TokenRefused, match="used before"):
        held.redeem(token, "twilio", "CA1", 1)


@pytest.mark.parametrize(
    ("provider", "call", "now_s", "why"),
    [
        ("twilio", "CA2", 1, "another call"),
        ("telnyx", "CA1", 1, "another call"),
        ("twilio", "CA1", TOKEN_LIFETIME_S, "has expired"),
    ],
)
def test_a_token_is_good_for_nothing_else(provider: str, call: str, now_s: float, why: str):
    held = tokens()
    token = held.issue(ADMITTED, 0)
    with pytest.raises(TokenRefused, match=why):
        held.redeem(token, provider, call, now_s)
    assert len(held) == 0


@pytest.mark.parametrize("token", ["", "x" * 1000, "unknown", "\ud800"])
def test_other_texts_are_no_tokens(token: str):
    with pytest.raises(TokenRefused):
        tokens().redeem(token, "twilio", "CA1", 0)


def test_the_number_of_tokens_is_bounded_and_expired_ones_make_room():
    held = tokens()
    for _ in range(MAX_TOKENS):
        held.issue(ADMITTED, 0)
    with pytest.raises(NoRoomForTokens):
        held.issue(ADMITTED, 1)
    held.issue(ADMITTED, TOKEN_LIFETIME_S)
    assert len(held) == 1
