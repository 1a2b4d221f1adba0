"""Finds who answers a telephone call, in the `[[phone_number]]` tables of the settings. Pure."""

from dataclasses import replace
from typing import Any

from streamsrv.core.call_rules import CallRules
from streamsrv.phone_settings import PhoneNumberSettings, PhoneSettings, plain_number
from streamsrv.transports.telephony.agent import Agent, Application
from streamsrv.transports.telephony.line import CallFacts


def find_agent(settings: PhoneSettings, facts: CallFacts) -> Agent | None:
    """Return who answers the number that was called; None: nobody does.

    A whole number is preferred to a beginning (`+4930*`), a longer beginning to a shorter one, and a table that names
    the provider to one for all of them.
    """
    ranked = [
        (rank, bool(number.providers), number)
        for number in settings.phone_number
        if not number.providers or facts.provider in number.providers
        if (rank := max(_rank(pattern, facts.called) for pattern in number.numbers)) > 0
    ]
    best = max(ranked, key=lambda found: found[:2], default=None)
    return None if best is None else agent_of(best[2])


def _rank(pattern: str, called: str) -> int:
    """Return how well a pattern names the number that was called; 0: not at all."""
    wanted, number = plain_number(pattern), plain_number(called)
    names = {number, plain_number(_user(number))}
    if wanted in names:
        return 1000
    if wanted.endswith("*") and any(name.startswith(wanted[:-1]) for name in names):
        return len(wanted)
    return 0


def _user(address: str) -> str:
    """Return the user of a SIP address, or the number of a `tel:` URI; another text as it is."""
    scheme, colon, rest = address.partition(":")
    rest = rest if colon and scheme.lower() in ("sip", "sips", "tel") else address
    return rest.partition("@")[0].partition(";")[0]


def agent_of(number: PhoneNumberSettings) -> Agent:
    """Return the agent of a table."""
    rules = CallRules(
        greeting=number.greeting,
        may_hang_up=number.may_hang_up,
        transfers=number.transfers,
        silence_ms=number.silence_ms,
        silence_prompts=number.silence_prompts,
        goodbye=number.goodbye,
        digits_pause_ms=number.digits_pause_ms,
        waiting_after_ms=number.waiting_after_ms,
    )
    return Agent(
        name=number.agent_name,
        session=_session(number),
        rules=rules,
        busy=number.busy,
        max_minutes=number.max_minutes,
        application=_application(number),
        records=number.record,
        voicemail=number.voicemail,
    )


def voicemail_agent(agent: Agent) -> Agent:
    """Return who leaves the agent's message on an answering machine: says it without listening, and ends the call.

    It is not recorded: the recording of the call has what was said before.
    """
    deaf: dict[str, Any] = {"type": "server_vad", "create_response": False, "interrupt_response": False}
    audio: dict[str, Any] = agent.session.get("audio", {})
    session = {**agent.session, "audio": {**audio, "input": {**audio.get("input", {}), "turn_detection": deaf}}}
    rules = CallRules(
        greeting=agent.voicemail or "",
        may_hang_up=False,
        silence_ms=1000,
        silence_prompts=(),
        goodbye="",
        waiting_after_ms=0,
    )
    return replace(agent, session=session, rules=rules, application=None, records=False, voicemail=None)


def _application(number: PhoneNumberSettings) -> Application | None:
    if not number.application:
        return None
    return Application(
        url=number.application,
        secret_variable=number.application_secret_variable,
        ring_s=number.application_ring_s,
        otherwise=number.application_otherwise,
    )


def _session(number: PhoneNumberSettings) -> dict[str, Any]:
    """Return the fields of the session object that the table sets."""
    session: dict[str, Any] = {}
    if number.instructions is not None:
        session["instructions"] = number.instructions
    if number.model:
        session["model"] = number.model
    if number.tools:
        session["tools"] = [{"type": "mcp", "server_label": label} for label in number.tools]
    transcription = {"model": number.recognizer, "language": number.language}
    hears: dict[str, Any] = {"turn_detection": {"type": number.turn_detection}}
    if given := {name: value for name, value in transcription.items() if value}:
        hears["transcription"] = given
    speaks: dict[str, Any] = {"voice": number.voice} if number.voice else {}
    if number.speed != 1:
        speaks["speed"] = number.speed
    session["audio"] = {"input": hears, "output": speaks} if speaks else {"input": hears}
    if number.language:
        session["streamsrv"] = {"language": number.language}
    return session
