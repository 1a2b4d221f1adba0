"""What OpenAI's chat completions and Anthropic's Messages API demand of a conversation."""

import re
from collections.abc import Iterable
from itertools import pairwise
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


def messages_api_refusal(request: dict[str, Any]) -> str | None:
    """Why Claude answers 400 to a request, or None for one that it takes."""
    if not request["messages"] or request["messages"][-1]["role"] != "user":
        return "The conversation must end with a user message."
    before: list[str] = []
    roles = [message["role"] for message in request["messages"]]
    if any(role == following for role, following in pairwise(roles)) or roles[0] != "user":
        return f"roles must alternate between user and assistant, the user first: {roles}"
    for number, message in enumerate(request["messages"]):
        blocks = message["content"]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(results) != sorted(before) or any(block["type"] != "tool_result" for block in blocks[: len(results)]):
            return f"messages.{number}: tool_use blocks must be followed at once by their tool_result blocks: {before}"
        before = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if not all(re.fullmatch(r"[A-Za-z0-9_-]+", call_id) for call_id in before) or len(set(before)) < len(before):
            return f"messages.{number}: tool_use ids must be unique and match the pattern: {before}"
        if not all(block["text"].strip() for block in blocks if block["type"] == "text"):
            return f"messages.{number}: text content blocks must contain non-whitespace text"
        if not all(isinstance(block["input"], dict) for block in blocks if block["type"] == "tool_use"):
            return f"messages.{number}: tool_use.input must be an object"
        manual = request.get("thinking", {}).get("type") == "enabled"
        if (
            manual
            and before
            and number == len(roles) - 2
            and blocks[0]["type"] not in ("thinking", "redacted_thinking")
        ):
            return f"messages.{number}: Expected `thinking` or `redacted_thinking`, but found `{blocks[0]['type']}`"
    names = {tool["name"] for tool in request.get("tools", ())}
    called = {block["name"] for message in request["messages"] for block in message["content"] if "name" in block}
    return None if called <= names else f"tools must be defined: {sorted(called - names)}"
