"""Checks the shape of single events against the types of the `openai` package, where that is installed."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from typing import Annotated, Any, cast

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from streamsrv.conformance.violations import Violation, require

Event = dict[str, Any]

MAX_FRAME_CHARACTERS = 1024 * 1024
"""Stock clients close the connection on longer frames."""

UNTYPED_FIELDS = {
    "session.id",
    "session.object",
    "session.expires_at",
    "item.object",
    "response.output.object",
    "response.streamsrv",
}
"""Fields of the protocol that some types of the package lack."""


def knows_types() -> bool:
    """Return whether the package `openai` is installed. Without it, the fields of events are not checked."""
    return find_spec("openai") is not None


def parse_event(frame: str | bytes) -> Event:
    """Decode one frame and check its size and the fields that every event has. Raises `Violation`."""
    require(len(frame) < MAX_FRAME_CHARACTERS, f"A frame has {len(frame)} characters; stock clients take 1 MiB.")
    try:
        event: object = json.loads(frame)
    except ValueError as error:
        raise Violation(f"A frame is not JSON: {error}.") from None
    if not isinstance(event, dict):
        raise Violation(f"A frame is not a JSON object: {str(frame)[:80]}.")
    fields = cast("Event", event)
    require(isinstance(fields.get("type"), str), f"An event has no 'type': {str(frame)[:80]}.")
    event_id = fields.get("event_id")
    require(isinstance(event_id, str) and event_id, f"{fields['type']} has no 'event_id'.")
    return fields


def check_shape(frame: str | bytes, event: Event) -> None:
    """Check the fields of an event against its type in the `openai` package. Raises `Violation`."""
    if (validate := _validator()) is None:
        return
    try:
        typed = validate(frame)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(step) for step in first["loc"][1:])
        raise Violation(f"{event['type']} has a wrong field '{path}': {first['msg']}.") from None
    unknown = set(_unknown_fields(typed)) - UNTYPED_FIELDS
    require(not unknown, f"{event['type']} has fields that are not in the protocol: {', '.join(sorted(unknown))}.")


@cache
def _validator() -> Callable[[str | bytes], BaseModel] | None:
    if not knows_types():
        return None
    from openai.types.realtime import RealtimeServerEvent

    adapter: TypeAdapter[BaseModel] = TypeAdapter(Annotated[RealtimeServerEvent, Field(discriminator="type")])
    return lambda frame: adapter.validate_json(frame, strict=True)


def _unknown_fields(value: object, path: str = "") -> Iterator[str]:
    """Yield the paths of fields that are not in the types of the package, except those below the key `streamsrv`."""
    if isinstance(value, list):
        for entry in cast("list[object]", value):
            yield from _unknown_fields(entry, path)
    elif isinstance(value, BaseModel):
        yield from (f"{path}.{name}".lstrip(".") for name in value.model_extra or () if name != "streamsrv")
        for name in type(value).model_fields:
            yield from _unknown_fields(getattr(value, name), f"{path}.{name}".lstrip("."))
