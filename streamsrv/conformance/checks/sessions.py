"""Checks of the session object and of `session.update`."""

from typing import Any

from streamsrv.conformance.check import Checks
from streamsrv.conformance.session import Session, Target, opening
from streamsrv.conformance.violations import require

checks = Checks("session")


@checks
async def created(target: Target) -> None:
    """The first event is session.created, with the whole session and its defaults."""
    async with opening(target) as session:
        held = session.events[0]["session"]
        require(held.get("type") == "realtime", f"session.type is {held.get('type')!r}, not 'realtime'.")
        require(held.get("id"), "The session has no id.")
        rate = held["audio"]["input"]["format"].get("rate")
        require(rate == 24000, f"The default input format has the rate {rate!r}, not 24000.")
        detection = held["audio"]["input"]["turn_detection"]
        require(detection and detection["type"] == "server_vad", f"The default turn detection is {detection!r}.")


@checks
async def update_changes_given_fields_only(target: Target) -> None:
    """session.update changes only the fields that it contains."""
    async with opening(target) as session:
        before = session.events[0]["session"]
        after = await session.update(instructions="Answer in one word.")
        require(after["instructions"] == "Answer in one word.", f"The instructions are {after['instructions']!r}.")
        same = {name: value for name, value in after.items() if before.get(name) != value}
        require(set(same) <= {"instructions"}, f"These fields changed, too: {', '.join(sorted(same))}.")


@checks
async def empty_values_clear(target: Target) -> None:
    """An empty string clears the instructions, an empty list the tools."""
    tool = {"type": "function", "name": "ping", "description": "Says pong.", "parameters": {"type": "object"}}
    async with opening(target) as session:
        await session.update(instructions="Be brief.", tools=[tool])
        after = await session.update(instructions="", tools=[])
        require((after["instructions"], after["tools"]) == ("", []), "The instructions or the tools are still there.")


@checks
async def turn_detection_can_be_turned_off(target: Target) -> None:
    """`turn_detection: null` turns turn detection off, and the session says so."""
    async with opening(target) as session:
        after = await session.update(audio={"input": {"turn_detection": None}})
        require(after["audio"]["input"]["turn_detection"] is None, "turn_detection is still there.")


@checks
async def formats_are_echoed(target: Target) -> None:
    """The audio formats audio/pcmu and audio/pcma are accepted in both directions and echoed."""
    async with opening(target) as session:
        for name in ("audio/pcmu", "audio/pcma"):
            both: dict[str, Any] = {"input": {"format": {"type": name}}, "output": {"format": {"type": name}}}
            audio = (await session.update(audio=both))["audio"]
            held = (audio["input"]["format"]["type"], audio["output"]["format"]["type"])
            require(held == (name, name), f"After the update to {name} the formats are {held}.")


async def _is_refused(session: Session, param: str, **fields: Any) -> None:
    before = await session.update()
    sent = await session.send("session.update", session={"type": "realtime", **fields})
    error = await session.refused(sent, instead_of="session.updated")
    require(param in (error.get("param") or ""), f"The error names {error.get('param')!r}, not '{param}'.")
    require(await session.update() == before, "The refused update changed the session.")


@checks
async def wrong_values_are_refused(target: Target) -> None:
    """A value of a wrong type or out of its range is an error that names the parameter; the session is unchanged."""
    async with opening(target) as session:
        await _is_refused(session, "instructions", instructions=5)
        await _is_refused(
            session, "threshold", audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 9}}}
        )
        await _is_refused(session, "max_output_tokens", max_output_tokens=0)
        await _is_refused(session, "speed", audio={"output": {"speed": 40.0}})


@checks
async def unknown_fields_are_refused(target: Target) -> None:
    """An unknown field, such as a misspelt or a beta name, is an error that names it."""
    async with opening(target) as session:
        await _is_refused(session, "instruction", instruction="Be brief.")
        await _is_refused(session, "input_audio_format", input_audio_format="g711_ulaw")


@checks
async def unsupported_rates_are_refused(target: Target) -> None:
    """A sample rate that the server does not support is an error; it is not ignored."""
    async with opening(target) as session:
        await _is_refused(session, "rate", audio={"input": {"format": {"type": "audio/pcm", "rate": 8000}}})


@checks
async def transcription_sessions(target: Target) -> None:
    """With `intent=transcription` the session is of the type transcription and gives no responses."""
    async with opening(target, intent="transcription") as session:
        held = session.events[0]["session"]
        require(held.get("type") == "transcription", f"session.type is {held.get('type')!r}, not 'transcription'.")
        await session.refused(await session.send("response.create"), instead_of="response.created")
