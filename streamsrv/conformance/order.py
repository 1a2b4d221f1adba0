"""Checks the order of the events of one session. Pure.

Source: the order of events of the OpenAI Realtime API.
"""

from collections import defaultdict
from collections.abc import Sequence

from streamsrv.conformance.ladders import GENERATED_ITEM, INPUT_ITEM, OUT_OF_BAND_ITEM, TURN_GOING_ON, ladders
from streamsrv.conformance.shapes import Event
from streamsrv.conformance.violations import require

_JOINED = {
    "response.output_text": "text",
    "response.output_audio_transcript": "transcript",
    "response.function_call_arguments": "arguments",
    "response.mcp_call_arguments": "arguments",
}
"""Events with deltas, and the field of their `done` event that equals the deltas joined."""


def check_order(events: Sequence[Event]) -> None:
    """Check all events of a session in which every response has ended. Raises `Violation`."""
    types = [event["type"] for event in events]
    require(types and types[0] == "session.created", f"The first event is {types[:1]}, not session.created.")
    require(types.count("session.created") == 1, "session.created came more than once.")
    out_of_band = _check_responses(events)
    generated = {event["item"]["id"] for event in events if event["type"] == "response.output_item.added"}
    for item_id, ladder in ladders(events).items():
        if item_id in generated:
            expected = OUT_OF_BAND_ITEM if item_id in out_of_band else GENERATED_ITEM
        else:
            expected = INPUT_ITEM
        in_order = TURN_GOING_ON.fullmatch(ladder) or expected.fullmatch(ladder)
        require(in_order, f"The events of item {item_id} are out of order: {ladder.strip()}.")
    _check_deltas(events)


def _check_responses(events: Sequence[Event]) -> set[str]:
    """Check the events around the items of each response; return the items that are not in the conversation."""
    out_of_band: set[str] = set()
    created: dict[str, Event] = {}
    done_items: defaultdict[str, dict[int, Event]] = defaultdict(dict)
    ended: set[str] = set()
    for event in events:
        kind = event["type"]
        if kind == "response.created":
            response = event["response"]
            require(response["id"] not in created, f"{response['id']} was created twice.")
            begun = (response["status"], response["output"])
            require(begun == ("in_progress", []), f"response.created has status and output {begun}.")
            created[response["id"]] = response
        elif kind == "response.done":
            _check_done(event["response"], created, ended, done_items)
            ended.add(event["response"]["id"])
        elif kind.startswith("output_audio_buffer.") and "response_id" in event:
            # Playback may begin after `response.done`.
            require(event["response_id"] in created, f"{kind} came before its response.")
        elif "response_id" in event:
            require(event["response_id"] in created.keys() - ended, f"{kind} came outside of its response.")
        if kind == "response.output_item.done":
            done_items[event["response_id"]][event["output_index"]] = event["item"]
        if kind == "response.output_item.added" and created[event["response_id"]]["conversation_id"] is None:
            out_of_band.add(event["item"]["id"])
    require(created.keys() == ended, f"Responses without response.done: {sorted(created.keys() - ended)}.")
    return out_of_band


def _check_done(
    response: Event, created: dict[str, Event], ended: set[str], items: dict[str, dict[int, Event]]
) -> None:
    response_id = response["id"]
    require(response_id in created.keys() - ended, f"response.done of {response_id}, which was not in progress.")
    require(response["status"] != "in_progress", "response.done has the status in_progress.")
    done = [item for _, item in sorted(items.get(response_id, {}).items())]  # a tool may return after later items
    require(response["output"] == done, "response.done does not list the items that were done.")
    same_metadata = response.get("metadata") == created[response_id].get("metadata")
    require(same_metadata, "The metadata of response.done differs from that of response.created.")


def _check_deltas(events: Sequence[Event]) -> None:
    deltas: defaultdict[tuple[str, str], str] = defaultdict(str)
    for event in events:
        name, _, suffix = event["type"].rpartition(".")
        if suffix == "delta" and "item_id" in event:
            deltas[name, event["item_id"]] += event["delta"]
        elif suffix == "done" and name in _JOINED:
            whole, joined = event[_JOINED[name]], deltas[name, event["item_id"]]
            require(whole == joined, f"{name}.done has {whole!r}, its deltas joined are {joined!r}.")
