"""What OpenAI's chat completions demand of function calls in a conversation."""

from collections.abc import Iterable

from streamsrv.engines.llm.base import Message


def refusal(messages: Iterable[Message]) -> str | None:
    """Why a strict provider answers 400, or None for a conversation that it takes."""
    missing: set[str] = set()
    for message in messages:
        if message.role == "tool":
            if message.call_id not in missing:
                return f"'{message.call_id}': a message with role 'tool' must answer a preceding 'tool_calls'."
            missing.remove(message.call_id)
            continue
        if missing:
            return _unanswered(missing)
        ids = [call.call_id for call in message.tool_calls]
        if "" in ids or len(set(ids)) < len(ids):
            return f"The ids of 'tool_calls' must be unique and not empty: {ids}."
        if not message.tool_calls and message.role == "assistant" and not message.content:
            return "An assistant message needs content or 'tool_calls'."
        missing = set(ids)
    return _unanswered(missing) if missing else None


def _unanswered(missing: set[str]) -> str:
    return (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        f"The following have no response: {', '.join(sorted(missing))}"
    )
