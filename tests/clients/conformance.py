"""What a server sends, checked against the types of the `openai` package and against the order of the protocol.

Shapes are checked event by event, so that a failure names the frame; order is checked over a whole session.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Annotated, Any, cast

from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, Field, TypeAdapter

from streamsrv.testing.ladders import GENERATED_ITEM, INPUT_ITEM, OUT_OF_BAND_ITEM, TURN_GOING_ON, ladders

Event = dict[str, Any]

_SERVER_EVENT: TypeAdapter[BaseModel] = TypeAdapter(Annotated[RealtimeServerEvent, Field(discriminator="type")])

UNTYPED_FIELDS = {
    "session.id",
    "session.object",
    "session.expires_at",
    "item.object",
    "response.output.object",
    "response.streamsrv",
}
"""Fields that the protocol has, but that some of the package's types leave out."""

MAX_FRAME_CHARACTERS = 1024 * 1024
"""Stock clients close the connection on longer frames."""

_JOINED = {
    "response.output_text": "text",
    "response.output_audio_transcript": "transcript",
    "response.function_call_arguments": "arguments",
}
"""Events whose deltas together are the field of their `done`."""


class Conformance:
    """The events of one session. `extensions`: names of `streamsrv.*` event types that the client asked for."""

    def __init__(self, extensions: Collection[str] = ()) -> None:
        self.events: list[Event] = []
        self._extensions = extensions
        self._ids: set[str] = set()

    def take(self, frame: str | bytes) -> Event:
        """Check the shape of one frame and keep it."""
        assert len(frame) < MAX_FRAME_CHARACTERS, f"a frame of {len(frame)} characters"
        event: Event = json.loads(frame)
        event_id = event.get("event_id")
        assert isinstance(event_id, str), f"no event_id: {event}"
        assert event_id.startswith("event_"), event_id
        assert event_id not in self._ids, f"{event_id} was used before"
        self._ids.add(event_id)
        if event["type"].startswith("streamsrv."):
            assert event["type"] in self._extensions, f"{event['type']} was not asked for"
        else:
            typed = _SERVER_EVENT.validate_json(frame, strict=True)
            unknown = set(_unknown_fields(typed)) - UNTYPED_FIELDS
            assert not unknown, f"{event['type']} has fields that the protocol has not: {unknown}"
        self.events.append(event)
        return event

    def check_order(self) -> None:
        """Check the order of all events; every response must be done by now."""
        types = [event["type"] for event in self.events]
        assert types[0] == "session.created", types[0]
        assert types.count("session.created") == 1
        out_of_band = self._check_responses()
        generated = {event["item"]["id"] for event in self.events if event["type"] == "response.output_item.added"}
        for item_id, ladder in ladders(self.events).items():
            if item_id in generated:
                expected = OUT_OF_BAND_ITEM if item_id in out_of_band else GENERATED_ITEM
            else:
                expected = INPUT_ITEM
            if not TURN_GOING_ON.fullmatch(ladder):
                assert expected.fullmatch(ladder), f"item {item_id}: {ladder}"
        self._check_deltas()

    def _check_responses(self) -> set[str]:
        """Check what frames the items of each response; return the items of responses out of the conversation."""
        out_of_band: set[str] = set()
        created: dict[str, Event] = {}
        done_items: defaultdict[str, list[Event]] = defaultdict(list)
        ended: set[str] = set()
        for event in self.events:
            kind = event["type"]
            if kind == "response.created":
                response = event["response"]
                assert response["id"] not in created, f"{response['id']} was created twice"
                assert (response["status"], response["output"]) == ("in_progress", [])
                created[response["id"]] = response
            elif kind == "response.done":
                response = event["response"]
                assert response["id"] in created.keys() - ended, f"response.done of {response['id']}"
                assert response["status"] != "in_progress"
                assert response["output"] == done_items[response["id"]], "response.done has other items than were done"
                assert response["metadata"] == created[response["id"]]["metadata"]
                ended.add(response["id"])
            elif kind.startswith("output_audio_buffer."):  # playback: it may begin when all of the response was made
                assert event["response_id"] in created, f"{kind} before its response"
            elif "response_id" in event:
                assert event["response_id"] in created.keys() - ended, f"{kind} outside of its response"
            if kind == "response.output_item.done":
                done_items[event["response_id"]].append(event["item"])
            if kind == "response.output_item.added" and created[event["response_id"]]["conversation_id"] is None:
                out_of_band.add(event["item"]["id"])
        assert created.keys() == ended, f"never done: {created.keys() - ended}"
        return out_of_band

    def _check_deltas(self) -> None:
        deltas: defaultdict[tuple[str, str], str] = defaultdict(str)
        for event in self.events:
            name, _, suffix = event["type"].rpartition(".")
            if suffix == "delta":
                deltas[name, event["item_id"]] += event["delta"]
            elif suffix == "done" and name in _JOINED:
                whole, joined = event[_JOINED[name]], deltas[name, event["item_id"]]
                assert whole == joined, f"{name}: {joined!r} was announced as {whole!r}"


def _unknown_fields(value: object, path: str = "") -> Iterator[str]:
    """Paths of the fields that a type of the package does not name; those below our own key are left out."""
    if isinstance(value, list):
        for entry in cast("list[object]", value):
            yield from _unknown_fields(entry, path)
    elif isinstance(value, BaseModel):
        yield from (f"{path}.{name}".lstrip(".") for name in value.model_extra or () if name != "streamsrv")
        for name in type(value).model_fields:
            yield from _unknown_fields(getattr(value, name), f"{path}.{name}".lstrip("."))
