"""Checks of bad input: it gets a clear error, and the session continues."""

from streamsrv.conformance.check import Checks
from streamsrv.conformance.session import Session, Target, opening
from streamsrv.conformance.violations import require

checks = Checks("errors")


async def _goes_on(session: Session) -> None:
    after = await session.update(instructions="Still here.")
    require(after["instructions"] == "Still here.", "After the error session.update has no effect.")


@checks
async def not_json(target: Target) -> None:
    """A frame that is not JSON is an error with event_id null; the session continues."""
    async with opening(target) as session:
        await session.send_text("{not json")
        await session.refused(None)
        await _goes_on(session)


@checks
async def not_an_object(target: Target) -> None:
    """JSON that is not an object is an error; the session continues."""
    async with opening(target) as session:
        for text in ("[]", "null", '"text"', "5"):
            await session.send_text(text)
            await session.refused(None)
        await _goes_on(session)


@checks
async def unknown_event_type(target: Target) -> None:
    """An event of an unknown type is an error with the event's id; the session continues."""
    async with opening(target) as session:
        await session.refused(await session.send("conversation.item.invent"))
        await _goes_on(session)


@checks
async def missing_parameter(target: Target) -> None:
    """A missing field is an error that names it."""
    async with opening(target) as session:
        error = await session.refused(await session.send("conversation.item.delete"))
        require("item_id" in (error.get("param") or error["message"]), f"The error does not name item_id: {error}.")
        await _goes_on(session)


@checks
async def audio_that_is_not_base64(target: Target) -> None:
    """Audio that is not base64 is an error; the session continues."""
    async with opening(target) as session:
        await session.refused(await session.send("input_audio_buffer.append", audio="*** not base64 ***"))
        await _goes_on(session)


@checks
async def half_a_sample(target: Target) -> None:
    """Audio that ends within a sample is an error, or the rest is kept for the next append; the session continues."""
    async with opening(target) as session:
        await session.update(audio={"input": {"turn_detection": None}})
        await session.send("input_audio_buffer.append", audio="AAAA")  # three bytes
        await session.send("input_audio_buffer.clear")
        await session.until("input_audio_buffer.cleared", errors=True)
        await _goes_on(session)


@checks
async def deeply_nested_json(target: Target) -> None:
    """JSON nested a thousand levels deep is an error; the session continues."""
    async with opening(target) as session:
        tools = "[" * 1000 + "]" * 1000
        await session.send_text('{"type": "session.update", "session": {"type": "realtime", "tools": ' + tools + "}}")
        await session.until("error")
        await _goes_on(session)


@checks
async def an_empty_commit(target: Target) -> None:
    """A commit of less than 100 ms is refused with input_audio_buffer_commit_empty."""
    async with opening(target) as session:
        await session.update(audio={"input": {"turn_detection": None}})
        error = await session.refused(await session.send("input_audio_buffer.commit"))
        require(error.get("code") == "input_audio_buffer_commit_empty", f"The code is {error.get('code')!r}.")
