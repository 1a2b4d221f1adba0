"""Defines the conversation items of the wire.

Source: the OpenAI Realtime GA schema (`RealtimeConversationItem*`).
"""

import json
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.images import MAX_IMAGE_URL, MAX_IMAGES, check_image_url

MAX_TEXT = 200_000
"""Characters in one item, not counting its ids."""

MAX_ID = 128
"""Characters in an id from the client."""

ROOT = "root"
"""Stands for the start of the conversation where the id of an item is expected."""

NO_ARGUMENTS = "{}"
"""Arguments of a function call that has none."""

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
OptionalId = Annotated[str, Meta(max_length=MAX_ID)]
"""An id that the server assigns if it is empty."""
BoundedText = Annotated[str, Meta(max_length=MAX_TEXT)]
Status = Literal["completed", "incomplete", "in_progress"]


class InputText(Struct, forbid_unknown_fields=True, tag="input_text"):
    text: BoundedText


class InputAudio(Struct, forbid_unknown_fields=True, tag="input_audio"):
    """Audio of the user. `audio` (decoded from base64) comes only from clients, and is never sent back."""

    transcript: BoundedText | None = None
    audio: bytes | None = None


class InputImage(Struct, forbid_unknown_fields=True, tag="input_image"):
    """A picture that the user shows, as a `data:` URL, which is never sent back."""

    image_url: Annotated[str, Meta(max_length=MAX_IMAGE_URL)]
    detail: Literal["auto", "low", "high"] = "auto"


class OutputText(Struct, forbid_unknown_fields=True, tag="output_text"):
    text: BoundedText


class OutputAudio(Struct, forbid_unknown_fields=True, tag="output_audio"):
    """Audio of the assistant. Only the transcript is kept; `audio` is always null."""

    transcript: BoundedText = ""
    audio: None = None


Part = InputText | InputAudio | InputImage | OutputText | OutputAudio


class MessageItem(Struct, forbid_unknown_fields=True, tag="message", kw_only=True):
    id: OptionalId = ""
    object: Literal["realtime.item"] = "realtime.item"
    status: Status = "completed"
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[Part], Meta(max_length=64)]


class FunctionCallItem(Struct, forbid_unknown_fields=True, tag="function_call", kw_only=True):
    id: OptionalId = ""
    object: Literal["realtime.item"] = "realtime.item"
    status: Status = "completed"
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    call_id: OptionalId = ""
    arguments: BoundedText


class FunctionCallOutputItem(Struct, forbid_unknown_fields=True, tag="function_call_output", kw_only=True):
    id: OptionalId = ""
    object: Literal["realtime.item"] = "realtime.item"
    status: Status = "completed"
    call_id: Id
    output: BoundedText


class ListedTool(Struct, forbid_unknown_fields=True):
    name: str
    description: str
    input_schema: dict[str, Any]
    annotations: dict[str, Any] | None = None


class McpListToolsItem(Struct, forbid_unknown_fields=True, tag="mcp_list_tools", kw_only=True):
    """The tools of an MCP server."""

    id: OptionalId = ""
    status: Status = "completed"
    server_label: str
    tools: list[ListedTool] = []


class McpError(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Why a call of a tool failed; `code` only of the first two."""

    type: Literal["protocol_error", "http_error", "tool_execution_error"]
    message: BoundedText
    code: int | UnsetType = UNSET


class McpCallItem(Struct, forbid_unknown_fields=True, tag="mcp_call", kw_only=True):
    """A call of a tool of an MCP server, which this server has made; clients create one only as history."""

    id: OptionalId = ""
    status: Status = "completed"
    server_label: Annotated[str, Meta(min_length=1, max_length=128)]
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    arguments: BoundedText
    approval_request_id: OptionalId | None = None
    output: BoundedText | None = None
    error: McpError | None = None


class McpApprovalRequestItem(Struct, forbid_unknown_fields=True, tag="mcp_approval_request", kw_only=True):
    """A call of a tool that waits for the client's approval."""

    id: OptionalId = ""
    status: Status = "completed"
    server_label: str
    name: str
    arguments: BoundedText


class McpApprovalResponseItem(Struct, forbid_unknown_fields=True, tag="mcp_approval_response", kw_only=True):
    id: OptionalId = ""
    status: Status = "completed"
    approval_request_id: Id
    approve: bool
    reason: Annotated[str, Meta(max_length=10_000)] | None = None


McpItem = McpListToolsItem | McpCallItem | McpApprovalRequestItem | McpApprovalResponseItem
"""Items without a `status` on the wire; here it tells whether one is in progress."""


class ItemReference(Struct, forbid_unknown_fields=True, tag="item_reference"):
    """Refers to an item of the conversation by its id, in the `input` of a `response.create`."""

    id: Id


Item = MessageItem | FunctionCallItem | FunctionCallOutputItem | McpItem

_PARTS_OF_ROLE: dict[str, tuple[type[Part], ...]] = {
    "user": (InputText, InputAudio, InputImage),
    "assistant": (OutputText, OutputAudio),
    "system": (InputText,),
}


def text_length(item: Item) -> int:
    """Return the number of characters in an item, including its ids."""
    match item:
        case MessageItem():
            return len(item.id) + sum(map(_part_length, item.content))
        case FunctionCallItem():
            return len(item.id) + len(item.call_id) + len(item.name) + len(item.arguments)
        case FunctionCallOutputItem():
            return len(item.id) + len(item.call_id) + len(item.output)
        case McpCallItem(error=error):
            told = (item.name, item.server_label, item.arguments, item.output or "", error.message if error else "")
            return len(item.id) + sum(map(len, told))
        case McpApprovalRequestItem():
            return len(item.id) + len(item.name) + len(item.server_label) + len(item.arguments)
        case McpApprovalResponseItem():
            return len(item.id) + len(item.approval_request_id) + len(item.reason or "")
        case McpListToolsItem():
            return len(item.id)  # the model is shown the tools themselves


def _part_length(part: Part) -> int:
    match part:
        case InputText() | OutputText():
            return len(part.text)
        case InputAudio() | OutputAudio():
            return len(part.transcript or "")
        case InputImage():
            return 0


def image_length(item: Item) -> int:
    """Return the number of characters in the pictures of an item."""
    parts = item.content if isinstance(item, MessageItem) else ()
    return sum(len(part.image_url) for part in parts if isinstance(part, InputImage))


def check_item(item: Item, param: str = "item") -> None:
    """Refuse an item that is too long, or a message with content parts that do not fit its role."""
    if item.id == ROOT:
        message = f"Invalid value '{ROOT}': it names the start of the conversation, not an item."
        raise ProtocolError("invalid_value", message, f"{param}.id")
    if (length := text_length(item)) > MAX_TEXT + 2 * MAX_ID:
        raise ProtocolError(
            "invalid_value", f"Invalid item: {length} characters; at most {MAX_TEXT} are accepted.", param
        )
    if isinstance(item, McpListToolsItem | McpApprovalRequestItem):
        kind = item.__struct_config__.tag
        message = f"Invalid value '{kind}': only the server creates items of this type."
        raise ProtocolError("invalid_value", message, f"{param}.type")
    if not isinstance(item, MessageItem):
        return
    if sum(isinstance(part, InputAudio) for part in item.content) > 1:
        raise ProtocolError("invalid_value", "Invalid item: at most one part may be audio.", f"{param}.content")
    if (pictures := sum(isinstance(part, InputImage) for part in item.content)) > MAX_IMAGES:
        message = f"Invalid item: {pictures} pictures; at most {MAX_IMAGES} are accepted."
        raise ProtocolError("invalid_value", message, f"{param}.content")
    allowed = _PARTS_OF_ROLE[item.role]
    for index, part in enumerate(item.content):
        if not isinstance(part, allowed):
            names = " or ".join(f"'{_tag(kind)}'" for kind in allowed)
            raise ProtocolError(
                "invalid_value",
                f"Invalid value '{_tag(type(part))}': the content of a {item.role} message must be {names}.",
                f"{param}.content[{index}].type",
            )
        if isinstance(part, InputImage):
            check_image_url(part.image_url, f"{param}.content[{index}].image_url")


def unreadable_arguments(arguments: str) -> str:
    """Return why the arguments of a function call are no JSON object, as the end of a sentence; empty: they are one."""
    try:
        value = json.loads(arguments, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        return "they are nested too deeply"
    except UnicodeEncodeError:
        return "they hold half of a surrogate pair"
    except ValueError as error:
        return str(error)
    return "" if isinstance(value, dict) else f"they are of the type {type(value).__name__}"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def refuse_audio(item: Item, param: str) -> None:
    """Refuse an item with audio, or with an audio part without a transcript, where audio is not recognised."""
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
    """Return the JSON object of an item, without audio and pictures."""
    wire: dict[str, Any] = msgspec.to_builtins(item)
    if isinstance(item, McpItem):
        del wire["status"]
    for part in wire.get("content", ()):
        part.pop("audio", None)
        part.pop("image_url", None)
    return wire


def _tag(kind: type[Part]) -> str:
    return str(kind.__struct_config__.tag)
