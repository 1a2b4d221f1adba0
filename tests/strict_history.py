"""What OpenAI's chat completions demand of function calls in a conversation."""

from collections.abc import Iterable
from typing import Any

from streamsrv.engines.llm.base import Message


def refusal(messages: Iterable[Message]) -> str | None:
    """Why a strict provider answers 400, or None for a conversation that it takes."""
    return wire_refusal([_wire(message) for message in messages])


def wire_refusal(messages: Iterable[dict[str, Any]]) -> str | None:
    """The same of the messages of a request."""
    missing: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in missing:
                return "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
            missing.remove(message["tool_call_id"])
            continue
        if missing:
            return _unanswered(missing)
        ids = [call["id"] for call in message.get("tool_calls") or ()]
        if "" in ids or len(set(ids)) < len(ids):
            return f"The ids of 'tool_calls' must be unique and not empty: {ids}."
        if message["role"] == "assistant" and not ids and not message["content"]:
            return "An assistant message needs content or 'tool_calls'."
        missing = set(ids)
    return _unanswered(missing) if missing else None


def _wire(message: Message) -> dict[str, Any]:
    calls = [{"id": call.call_id} for call in message.tool_calls]
    return {
        "role": message.role,
        "content": message.content,
        "tool_calls": calls,
        "tool_call_id": message.call_id,
    }


def _unanswered(missing: set[str]) -> str:
    return (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following have no response: {', '.join(sorted(missing))}"
    )
