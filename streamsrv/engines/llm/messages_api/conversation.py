"""Writes a conversation as the messages of Anthropic's Messages API. Pure.

Source: the Messages API reference, and its pages on tool use and thinking.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from streamsrv.engines.llm.base import Image, Message, ToolCall
from streamsrv.engines.llm.context.answerable import answerable
from streamsrv.errors import Rejected

Block = dict[str, Any]
Turn = dict[str, Any]
"""`{"role": "user" or "assistant", "content": [blocks]}`."""

THINKING = ("thinking", "redacted_thinking")
"""Types of the blocks in which the model thinks."""
_DATA_URL = re.compile(r"data:image/(png|jpeg|jpg|gif|webp);base64,([A-Za-z0-9+/=\s]+)", re.ASCII)
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")


def system_blocks(messages: Sequence[Message]) -> list[Block]:
    """Return the texts of all system messages, wherever they stand: the API has one system prompt."""
    return [_text(message.content) for message in messages if message.role == "system" and message.content.strip()]


def turns(messages: Sequence[Message], model: str) -> list[Turn]:
    """Return the turns of user and assistant, which alternate, the user first and last.

    Results of functions are the first blocks of the user's turn that follows their calls. `model` is the catalogue
    name of the model, whose thinking comes back with its calls. What has no words is left out, because the API refuses
    empty text. Raises `Rejected` for an image in a form that the API does not take.
    """
    spoken = answerable([each for each in messages if each.role != "system" and _says_something(each)])
    if spoken[0].role == "assistant":
        spoken.insert(0, Message("user", "Hello!"))
    found: list[Turn] = []
    for message in spoken:
        role = "assistant" if message.role == "assistant" else "user"
        if not found or found[-1]["role"] != role:
            found.append({"role": role, "content": []})
        _add(found[-1]["content"], message, model)
    return found


def open_loop(found: Sequence[Turn]) -> int:
    """Return the index at which the latest run of function calls and results begins: where the user spoke last.

    The model must get back what it thought since then. What it thought before is not sent: it may have been bound to
    words that the user interrupted, and the API would refuse it.
    """
    spoke = (i for i, turn in enumerate(found) if turn["role"] == "user" and not _has(turn, "tool_result"))
    return max(spoke, default=0)


def without_thinking(found: Iterable[Turn]) -> list[Turn]:
    """Return the turns without the blocks in which the model thinks."""
    return [{**turn, "content": [each for each in turn["content"] if each["type"] not in THINKING]} for turn in found]


def called_tools(found: Iterable[Turn]) -> list[str]:
    """Return the names of all functions that were called, each once."""
    blocks = (block for turn in found for block in turn["content"])
    return list(dict.fromkeys(block["name"] for block in blocks if block["type"] == "tool_use"))


def has_unthought_call(found: Sequence[Turn]) -> bool:
    """Whether the latest assistant turn calls functions and does not begin with thinking.

    A model with a budget for thinking refuses that: the calls are another model's, or were made without thinking.
    """
    latest = next((turn for turn in reversed(found) if turn["role"] == "assistant"), None)
    return latest is not None and _has(latest, "tool_use") and latest["content"][0]["type"] not in THINKING


def _says_something(message: Message) -> bool:
    return bool(message.content.strip() or message.tool_calls or message.images or message.role == "tool")


def _has(turn: Turn, kind: str) -> bool:
    return any(block["type"] == kind for block in turn["content"])


def _add(content: list[Block], message: Message, model: str) -> None:
    """Add a message to the blocks of its turn, in the order that the API demands."""
    match message.role:
        case "tool":
            results = sum(block["type"] == "tool_result" for block in content)
            content.insert(results, _result(message))
        case "assistant":
            if message.content.strip():
                content.append(_text(message.content))
            for call in message.tool_calls:
                thoughts: Sequence[Block] = call.provider_data.get(model, {}).get("thinking", ())
                begins = not any(block["type"] == "tool_use" for block in content)
                place = 0 if begins else len(content)  # what it thought before the first call, it thought first of all
                content[place:place] = [dict(thought) for thought in thoughts]
                content.append(_call(call))
        case _:
            content.extend(_image(image) for image in message.images)
            if message.content.strip():
                content.append(_text(f"{message.name}: {message.content}" if message.name else message.content))


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _call(call: ToolCall) -> Block:
    return {"type": "tool_use", "id": _id(call.call_id), "name": call.name, "input": _input(call.arguments)}


def _result(message: Message) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": _id(message.call_id)}
    return block | ({"content": message.content} if message.content.strip() else {})


def _id(call_id: str) -> str:
    """The id of a call in the characters that the API takes; other providers' ids may have others."""
    return _NOT_IN_IDS.sub("_", call_id) or "_"


def _input(arguments: str) -> dict[str, Any]:
    """The arguments of a call as the object that the API demands. Broken JSON is shown to the model as it is."""
    try:
        return msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return {"not_an_object": arguments}


def _image(image: Image) -> Block:
    if image.url.startswith("https://"):
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    if found := _DATA_URL.fullmatch(image.url):
        kind, data = found.groups()
        media_type = "image/jpeg" if kind == "jpg" else f"image/{kind}"
        return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
    message = f"{image.url!r:.60} is no image that Claude takes; accepted: https:// URLs, and data: URLs in base64 "
    raise Rejected(message + "with PNG, JPEG, GIF or WebP.", code="invalid_value", param="messages")
