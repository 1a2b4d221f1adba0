"""Conversation items as they stand on the wire.

Source: the OpenAI Realtime GA schema (`RealtimeConversationItem*`).
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from streamsrv.protocol.errors import ProtocolError

MAX_TEXT = 200_000
"""Characters in one item."""

BoundedText = Annotated[str, Meta(max_length=MAX_TEXT)]
Status = Literal["completed", "incomplete", "in_progress"]


class InputText(Struct, tag="input_text"):
    text: BoundedText


class InputAudio(Struct, tag="input_audio"):
    """`audio` (decoded from base64) only arrives from clients; it is never sent back."""

    transcript: str | None = None
    audio: bytes | None = None


class OutputText(Struct, tag="output_text"):
    text: BoundedText


class OutputAudio(Struct, tag="output_audio"):
    transcript: BoundedText = ""


Part = InputText | InputAudio | OutputText | OutputAudio


class MessageItem(Struct, tag="message", kw_only=True):
    id: str = ""
    object: Literal["realtime.item"] = "realtime.item"
    status: Status = "completed"
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[Part], Meta(max_length=64)]


class FunctionCallItem(Struct, tag="function_call", kw_only=True):
    id: str = ""
    object: Literal["realtime.item"] = "realtime.item"
    status: Status = "completed"
    name: str
    call_id: str = ""
    arguments: BoundedText


class FunctionCallOutputItem(Struct, tag="function_call_output", kw_only=True):
    id: str = ""
    object: Literal["realtime.item"] = "realtime.item"
    status: Status = "completed"
    call_id: str
    output: BoundedText


class ItemReference(Struct, tag="item_reference"):
    """An item of the conversation by its id, in the `input` of a `response.create`."""

    id: str


Item = MessageItem | FunctionCallItem | FunctionCallOutputItem

_PARTS_OF_ROLE: dict[str, tuple[type[Part], ...]] = {
    "user": (InputText, InputAudio),
    "assistant": (OutputText, OutputAudio),
    "system": (InputText,),
}


def text_length(item: Item) -> int:
    """Characters that an item holds."""
    match item:
        case MessageItem():
            texts = (
                part.text if isinstance(part, InputText | OutputText) else part.transcript for part in item.content
            )
            return sum(len(text or "") for text in texts)
        case FunctionCallItem():
            return len(item.name) + len(item.arguments)
        case FunctionCallOutputItem():
            return len(item.output)


def check_item(item: Item, param: str = "item") -> None:
    """Refuse an item that is too long, and a message whose content parts do not belong to its role."""
    if (length := text_length(item)) > MAX_TEXT:
        raise ProtocolError(
            "invalid_value", f"Invalid item: {length} characters; at most {MAX_TEXT} are accepted.", param
        )
    if not isinstance(item, MessageItem):
        return
    if sum(isinstance(part, InputAudio) for part in item.content) > 1:
        raise ProtocolError("invalid_value", "Invalid item: at most one part may be audio.", f"{param}.content")
    allowed = _PARTS_OF_ROLE[item.role]
    for index, part in enumerate(item.content):
        if not isinstance(part, allowed):
            names = " or ".join(f"'{_tag(kind)}'" for kind in allowed)
            raise ProtocolError(
                "invalid_value",
                f"Invalid value '{_tag(type(part))}': the content of a {item.role} message must be {names}.",
                f"{param}.content[{index}].type",
            )


def refuse_audio(item: Item, param: str) -> None:
    """Refuse an item with audio in it, or without the words of its audio, where no audio is recognised."""
    for index, part in enumerate(item.content if isinstance(item, MessageItem) else ()):
        if isinstance(part, InputAudio) and (part.audio is not None or not part.transcript):
            raise ProtocolError(
                "invalid_value",
                "Invalid value 'input_audio': audio is not recognised here. Accepted are 'input_text', 'input_audio' "
                "with a 'transcript' in place of 'audio', and an 'item_reference' to an item with audio in the "
                "conversation.",
                f"{param}.content[{index}]",
            )


def item_to_wire(item: Item) -> dict[str, Any]:
    """The JSON object of an item, without audio."""
    wire: dict[str, Any] = msgspec.to_builtins(item)
    for part in wire.get("content", ()):
        part.pop("audio", None)
    return wire


def _tag(kind: type[Part]) -> str:
    return str(kind.__struct_config__.tag)
