"""Reads a chat completion request of the wire into messages and options of a model. Pure.

Source: the OpenAI API reference, `POST /v1/chat/completions`. Unknown fields are errors, and so are fields that would
change the shape of the answer (`n`, `logprobs`, `modalities`). `PROVIDER_FIELDS` are passed to a provider unchanged; an
engine refuses the fields that it does not support.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from streamsrv.engines.llm.base import ChatOptions, Effort, Image, Message, Routing, Tool, ToolCall
from streamsrv.errors import UNSUPPORTED_PARAMETER
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.images import MAX_IMAGE_URL, MAX_IMAGES, check_image_url
from streamsrv.protocol.session_object import RoutingOptions
from streamsrv.protocol.tools import FunctionName
from streamsrv.text.languages import normalize_language

PROVIDER_FIELDS = (
    "metadata",
    "prompt_cache_key",
    "response_format",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
    "verbosity",
)

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Label = Annotated[str, Meta(max_length=512)]


class TextPart(Struct, tag="text", forbid_unknown_fields=True):
    text: str


class ImageUrl(Struct, forbid_unknown_fields=True):
    """A `data:` URL, or an https URL, which the model's provider reads itself."""

    url: Annotated[str, Meta(max_length=MAX_IMAGE_URL)]
    detail: Literal["auto", "low", "high"] = "auto"


class ImagePart(Struct, tag="image_url", forbid_unknown_fields=True):
    image_url: ImageUrl


class RefusalPart(Struct, tag="refusal", forbid_unknown_fields=True):
    refusal: str


Content = str | list[TextPart]


class SystemMessage(Struct, tag_field="role", tag="system", forbid_unknown_fields=True):
    content: Content
    name: Name | None = None


class DeveloperMessage(Struct, tag_field="role", tag="developer", forbid_unknown_fields=True):
    content: Content
    name: Name | None = None


class UserMessage(Struct, tag_field="role", tag="user", forbid_unknown_fields=True):
    content: str | list[TextPart | ImagePart]
    name: Name | None = None


class CalledFunction(Struct, forbid_unknown_fields=True):
    """The function of a call. OpenAI's package adds `parsed_arguments` to answers and sends it in the next request."""

    name: Name
    arguments: str = ""
    parsed_arguments: Any = None


class AssistantCall(Struct, forbid_unknown_fields=True):
    """A function call of an assistant message. Clients copy `index` from a streamed answer."""

    id: str
    function: CalledFunction
    type: Literal["function"] = "function"
    index: int | None = None


class AssistantMessage(Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True):
    """An assistant message. Clients copy `parsed` and fields that can only be null or empty from answers."""

    content: str | list[TextPart | RefusalPart] | None = None
    tool_calls: list[AssistantCall] | None = None
    name: Name | None = None
    refusal: str | None = None
    audio: None = None
    function_call: None = None
    annotations: Annotated[list[Any], Meta(max_length=0)] | None = None
    parsed: Any = None


class ToolMessage(Struct, tag_field="role", tag="tool", forbid_unknown_fields=True):
    tool_call_id: str
    content: Content


WireMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class FunctionDefinition(Struct, forbid_unknown_fields=True):
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Struct, forbid_unknown_fields=True):
    function: FunctionDefinition
    type: Literal["function"] = "function"


class ChosenFunction(Struct, forbid_unknown_fields=True):
    name: Name


class NamedTool(Struct, tag="function", forbid_unknown_fields=True):
    function: ChosenFunction


class PlainText(Struct, tag="text", forbid_unknown_fields=True):
    pass


class AnyJson(Struct, tag="json_object", forbid_unknown_fields=True):
    pass


class JsonSchema(Struct, forbid_unknown_fields=True, omit_defaults=True):
    name: Name
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class JsonOfSchema(Struct, tag="json_schema", forbid_unknown_fields=True):
    json_schema: JsonSchema


class StreamOptions(Struct, forbid_unknown_fields=True):
    include_usage: bool = False


Tokens = Annotated[int, Meta(ge=1)]
StopText = Annotated[str, Meta(min_length=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
TokenId = Annotated[str, Meta(pattern=r"^[0-9]{1,9}$")]
Metadata = Annotated[dict[Annotated[str, Meta(max_length=64)], Label], Meta(max_length=16)]


class ChatExtensions(Struct, forbid_unknown_fields=True):
    """Extension: streamsrv's own fields."""

    routing: RoutingOptions | None = None


class ChatRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    messages: Annotated[list[WireMessage], Meta(min_length=1)]
    model: str = ""
    tools: Annotated[list[FunctionTool], Meta(max_length=128)] = []
    tool_choice: Literal["auto", "none", "required"] | NamedTool = "auto"
    parallel_tool_calls: bool = True
    max_completion_tokens: Tokens | None = None
    max_tokens: Tokens | None = None
    """The older name of `max_completion_tokens`."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    stop: StopText | Annotated[list[StopText], Meta(max_length=4)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    logit_bias: Annotated[dict[TokenId, Annotated[float, Meta(ge=-100, le=100)]], Meta(max_length=1024)] = {}
    n: Annotated[int, Meta(ge=1, le=1)] = 1
    logprobs: bool = False
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    modalities: list[Literal["text"]] = msgspec.field(default_factory=lambda: ["text"])
    response_format: PlainText | AnyJson | JsonOfSchema | None = None
    reasoning_effort: Effort | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority"] | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    user: Label | None = None
    safety_identifier: Label | None = None
    prompt_cache_key: Label | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    streamsrv: ChatExtensions | None = None

    def check(self) -> None:
        """Check the fields against each other. Raises `ProtocolError`."""
        if self.logprobs or self.top_logprobs is not None:
            name = "logprobs" if self.logprobs else "top_logprobs"
            raise ProtocolError(UNSUPPORTED_PARAMETER, f"Unsupported parameter: '{name}'.", name)
        self._check_images()
        if self.stream_options is not None and not self.stream:
            message = "'stream_options' is only accepted when 'stream' is true."
            raise ProtocolError("invalid_value", message, "stream_options")
        names = [tool.function.name for tool in self.tools]
        for index, name in enumerate(names):
            if name in names[:index]:
                message = f"Invalid value '{name}': another function has this name."
                raise ProtocolError("invalid_value", message, f"tools[{index}].function.name")
        if self.tool_choice == "required" and not names:
            raise ProtocolError("invalid_value", "'tool_choice' is only accepted together with 'tools'.", "tool_choice")
        if isinstance(self.tool_choice, NamedTool) and self.tool_choice.function.name not in names:
            message = f"Invalid value '{self.tool_choice.function.name}': 'tools' has no function of this name."
            raise ProtocolError("invalid_value", message, "tool_choice.function.name")

    def _check_images(self) -> None:
        for index, message in enumerate(self.messages):
            images = _images(message) if isinstance(message, UserMessage) else ()
            if len(images) > MAX_IMAGES:
                text = f"Invalid message: {len(images)} pictures; at most {MAX_IMAGES} are accepted."
                raise ProtocolError("invalid_value", text, f"messages[{index}].content")
            for image in images:
                if not image.url.startswith("https://"):
                    check_image_url(image.url, f"messages[{index}].content.image_url.url")

    def to_messages(self) -> list[Message]:
        return [_message(message) for message in self.messages]

    def to_tools(self) -> list[Tool]:
        functions = [tool.function for tool in self.tools]
        return [Tool(each.name, each.description or "", each.parameters or {}, bool(each.strict)) for each in functions]

    def to_options(self) -> ChatOptions:
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or ()
        return ChatOptions(
            max_output_tokens=self.max_completion_tokens or self.max_tokens,
            tool_choice=self.tool_choice.function.name if isinstance(self.tool_choice, NamedTool) else self.tool_choice,
            parallel_tool_calls=self.parallel_tool_calls,
            temperature=self.temperature,
            top_p=self.top_p,
            stop=tuple(stop),
            seed=self.seed,
            frequency_penalty=self.frequency_penalty,
            presence_penalty=self.presence_penalty,
            logit_bias=self.logit_bias,
            reasoning_effort=self.reasoning_effort,
            routing=self._routing(),
            provider_fields=self._provider_fields(),
        )

    @property
    def routing(self) -> RoutingOptions:
        """How the language model is chosen."""
        return (self.streamsrv and self.streamsrv.routing) or RoutingOptions()

    def _routing(self) -> Routing:
        asked = self.routing
        return Routing(asked.policy or "", asked.local_only, normalize_language(asked.language or "") or "")

    def _provider_fields(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in PROVIDER_FIELDS}
        if isinstance(self.response_format, PlainText):
            del fields["response_format"]  # text is the default
        return {name: msgspec.to_builtins(value) for name, value in fields.items() if value is not None}


def _message(wire: WireMessage) -> Message:
    match wire:
        case SystemMessage() | DeveloperMessage():
            return Message("system", _text(wire.content), name=wire.name or "")
        case UserMessage():
            return Message("user", _text(wire.content), name=wire.name or "", images=_images(wire))
        case ToolMessage():
            return Message("tool", _text(wire.content), call_id=wire.tool_call_id)
        case AssistantMessage():
            calls = [ToolCall(call.id, call.function.name, call.function.arguments) for call in wire.tool_calls or ()]
            text = _text(wire.content or "") or wire.refusal or ""
            return Message("assistant", text, tuple(calls), name=wire.name or "")


def _images(message: UserMessage) -> tuple[Image, ...]:
    parts = message.content if isinstance(message.content, list) else ()
    return tuple(Image(part.image_url.url, part.image_url.detail) for part in parts if isinstance(part, ImagePart))


def _text(content: str | Sequence[TextPart | ImagePart | RefusalPart]) -> str:
    if isinstance(content, str):
        return content
    texts = (
        part.refusal if isinstance(part, RefusalPart) else part.text
        for part in content
        if not isinstance(part, ImagePart)
    )
    return "\n".join(texts)
