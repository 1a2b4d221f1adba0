"""What is within its bounds field by field and too much as a whole is refused, with the field and the bound."""

import json
from typing import Any

import pytest

from streamsrv.protocol.client_events import MAX_INPUT_BYTES, MAX_TOOLS_BYTES, MalformedEvent, decode_client_event
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session
from streamsrv.protocol.session_update import MAX_TRACING_BYTES, update_session

SESSION = Session(id="sess_1")


def text_item(length: int) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * length}]}


def tool(length: int, where: str = "description") -> dict[str, Any]:
    return {
        "type": "function",
        "name": "look_up",
        where: "x" * length if where == "description" else {"x": "x" * length},
    }


def create(**response: Any) -> str:
    return json.dumps({"type": "response.create", "event_id": "mine", "response": response})


@pytest.mark.parametrize(
    ("response", "param", "max_bytes"),
    [
        ({"tools": [tool(MAX_TOOLS_BYTES // 2)] * 2}, "response.tools", MAX_TOOLS_BYTES),
        ({"tools": [tool(MAX_TOOLS_BYTES, "parameters")]}, "response.tools", MAX_TOOLS_BYTES),
        ({"tools": [tool(7_100)] * 128}, "response.tools", MAX_TOOLS_BYTES),
        ({"input": [text_item(100_000)] * 41}, "response.input", MAX_INPUT_BYTES),
        ({"input": [text_item(4_100)] * 1000}, "response.input", MAX_INPUT_BYTES),
    ],
)
def test_a_response_that_asks_for_too_much_is_refused(response: dict[str, Any], param: str, max_bytes: int):
    with pytest.raises(MalformedEvent) as refused:
        decode_client_event(create(**response))
    error = refused.value.error
    assert (error.code, error.param, refused.value.event_id) == ("invalid_value", param, "mine")
    assert f"at most {max_bytes} are accepted" in error.message
    assert len(error.message) < 300


@pytest.mark.parametrize(
    "response",
    [
        {"tools": [tool(MAX_TOOLS_BYTES // 2 - 200)] * 2, "input": [text_item(100_000)] * 39},
        {"tools": []},
        {"input": []},
        {},
    ],
)
def test_a_large_response_is_taken(response: dict[str, Any]):
    decode_client_event(create(**response))


def test_the_metadata_of_a_trace_is_bounded():
    fits = {"metadata": {"x": "x" * (MAX_TRACING_BYTES - 8)}}
    update_session(SESSION, {"tracing": fits})
    with pytest.raises(ProtocolError, match=f"at most {MAX_TRACING_BYTES} are accepted") as refused:
        update_session(SESSION, {"tracing": {"metadata": {"x": "x" * (MAX_TRACING_BYTES - 7)}}})
    assert refused.value.param == "session.tracing.metadata"
