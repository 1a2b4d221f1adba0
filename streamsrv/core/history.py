"""Orders function calls and their results as language-model providers require. Pure."""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace

from streamsrv.engines.llm.base import Message, ToolCall

NO_RESULT = "(no result yet)"
"""Takes the place of a missing result: providers refuse a call without one."""

_Place = tuple[int, int]
"""Index of a message, and of a call in it."""


def valid_history(messages: Sequence[Message]) -> list[Message]:
    """The messages, with every function call followed at once by exactly one result.

    A result moves to its call, wherever it stood; a call without one gets `NO_RESULT`; results without a call, and
    second results of a call, are left out. Calls in a row become one assistant message, with the words before them and
    their results after it: some providers refuse calls that do not directly follow the user's words or a result.
    """
    results, used = _match(messages)
    history: list[Message] = []
    run: list[tuple[ToolCall, Message]] = []

    def end_run() -> None:
        if run:
            said = history.pop().content if history and _is_said(history[-1]) else ""
            history.append(Message("assistant", said, tuple(call for call, _ in run)))
            history.extend(result for _, result in run)
            run.clear()

    for index, message in enumerate(messages):
        if message.role == "tool":
            if index in used:
                end_run()  # calls on both sides of a result are separate turns of the model
            continue
        if message.content or not message.tool_calls:
            end_run()
            history.append(Message(message.role, message.content) if message.tool_calls else message)
        for position, call in enumerate(message.tool_calls):
            if any(call.call_id == other.call_id for other, _ in run):
                end_run()  # ids are unique within one assistant message
            result = results.get((index, position)) or Message("tool", NO_RESULT, call_id=call.call_id)
            run.append((call, result))
    end_run()
    return history


def joined(one: Message, other: Message) -> Message:
    """Return one message of the user's turn and of what was said after its end was found too early.

    The full stop at the end of the first part goes: the recogniser made it of the pause.
    """
    said = one.content.rstrip().removesuffix("…").rstrip(".")
    return replace(one, content=f"{said} {other.content}".strip(), images=(*one.images, *other.images))


def _is_said(message: Message) -> bool:
    return message.role == "assistant" and not message.tool_calls


def _match(messages: Sequence[Message]) -> tuple[dict[_Place, Message], set[int]]:
    """The result of each call that has one, and the indices of these results.

    A call id that is used again begins a new call: a result belongs to the first call before it that has none yet, or
    to the first call after it if there was none before.
    """
    results: dict[_Place, Message] = {}
    used: set[int] = set()
    open_calls: defaultdict[str, deque[_Place]] = defaultdict(deque)
    early: dict[str, int] = {}
    for index, message in enumerate(messages):
        for position, call in enumerate(message.tool_calls):
            if (found := early.pop(call.call_id, None)) is not None:
                results[index, position] = messages[found]
                used.add(found)
            open_calls[call.call_id].extend([] if found is not None else [(index, position)])
        if message.role == "tool":
            if message.call_id not in open_calls:
                early.setdefault(message.call_id, index)
            elif open_calls[message.call_id]:
                results[open_calls[message.call_id].popleft()] = message
                used.add(index)
    return results, used
