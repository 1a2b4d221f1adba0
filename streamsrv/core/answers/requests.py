"""Plans a response and its request to the language model, from its own options and the session's. Pure."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from msgspec import UNSET, structs

from streamsrv.core.answers.output_items import ResponsePlan
from streamsrv.core.answers.reply_language import ExpectedLanguage
from streamsrv.core.answers.spoken_message import VOICE_EVENTS, WORD_EVENTS
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.conversation import Conversation, unknown_call
from streamsrv.core.effects import Generate
from streamsrv.core.toolbox import Offer, Toolbox
from streamsrv.engines.llm.base import ChatOptions, Effort, Routing, Tool, Truncation
from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.protocol.client_events import ResponseOptions
from streamsrv.protocol.errors import ProtocolError, invalid
from streamsrv.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    Item,
    ItemReference,
    check_item,
    refuse_audio,
)
from streamsrv.protocol.session_object import AudioOutput, Modality, RetentionRatio, Session, VoiceId
from streamsrv.protocol.tools import NamedFunction, NamedMcpTool, ToolChoice, ToolDefinition
from streamsrv.text.languages import normalize_language
from streamsrv.text.voice_manners import VoiceManners


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A request that waits for the transcripts of its input; `items` None: the whole conversation."""

    instructions: str
    items: list[Item] | None
    tools: Sequence[ToolDefinition]
    tool_choice: ToolChoice
    options: ChatOptions

    def waits_for(self, pending: Collection[str], conversation: Conversation) -> bool:
        """Whether an item of the input is pending."""
        if self.items is None:
            return any(item_id in conversation for item_id in pending)
        return any(item.id in pending for item in self.items)

    def offer(self, toolbox: Toolbox, *, in_conversation: bool) -> Offer:
        """Return what the model may call."""
        offer = toolbox.offer(self.tools, in_conversation=in_conversation)
        return replace(offer, may_call=self.tool_choice != "none")

    def to_generate(self, generation: int, conversation: Conversation, offer: Offer) -> Generate:
        """Return the effect that asks the model, without the items in progress; it may call what it is offered."""
        items = conversation.items if self.items is None else self.items
        said = [item for item in items if item.status != "in_progress"]
        messages = conversation.messages(self.instructions, said)
        functions, choice = _chosen(offer, self.tool_choice)
        return Generate(generation, messages, functions, replace(self.options, tool_choice=choice))


def request_of(
    options: ResponseOptions, session: Session, items: list[Item] | None, manners: VoiceManners
) -> ModelRequest:
    tools = session.tools if options.tools is UNSET else options.tools
    choice = session.tool_choice if options.tool_choice is UNSET else options.tool_choice
    max_tokens = session.max_output_tokens if options.max_output_tokens is UNSET else options.max_output_tokens
    parallel = session.parallel_tool_calls if options.parallel_tool_calls is UNSET else options.parallel_tool_calls
    instructions = session.instructions if options.instructions in (UNSET, None) else options.instructions
    spoken = "audio" in _modalities(options, session)
    return ModelRequest(
        instructions=manners.instructions(instructions, _language(session)) if spoken else instructions,
        items=items,
        tools=tools,
        tool_choice=choice,
        options=ChatOptions(
            max_output_tokens=None if max_tokens == "inf" else max_tokens,
            parallel_tool_calls=parallel is not False,
            reasoning_effort=_effort(options, session),
            truncation=_truncation(session),
            routing=_routing(session),
        ),
    )


def instructions_of(session: Session, manners: VoiceManners) -> str:
    """Return what the language model is told first in the answers of a session."""
    return request_of(ResponseOptions(), session, None, manners).instructions


def _language(session: Session) -> str | None:
    """The language that the client expects its user to speak; None: it did not say."""
    transcription = session.audio.input.transcription
    return transcription.language if transcription is not None else None


def _routing(session: Session) -> Routing:
    asked = session.routing
    language = normalize_language(asked.language or _language(session) or "") or ""
    return Routing(asked.policy or "", asked.local_only, language)


def _chosen(offer: Offer, choice: ToolChoice) -> tuple[tuple[Tool, ...], str]:
    """Return the functions for the model, and its choice among them.

    A choice of an MCP server whose tools are not to be had becomes `auto`: the client was told that they are not.
    """
    match choice:
        case NamedFunction(name=name):
            return offer.functions, name
        case NamedMcpTool(server_label=label, name=name):
            of_server = {function: tool for function, tool in offer.server_tools.items() if tool.server.label == label}
            if name is None and of_server:
                return tuple(tool.function for tool in of_server.values()), "required"
            named = next((function for function, tool in of_server.items() if tool.name == name), "auto")
            return offer.functions, named
        case "required" if all(tool.is_of_call for tool in offer.server_tools.values()) and (
            len(offer.server_tools) == len(offer.functions)
        ):
            return offer.functions, "auto"  # nobody wants the call to be left at once
        case _:
            return offer.functions, choice


def _effort(options: ResponseOptions, session: Session) -> Effort | None:
    reasoning = session.reasoning if options.reasoning is UNSET else options.reasoning
    return reasoning.effort if reasoning else None


def _truncation(session: Session) -> Truncation:
    match session.truncation:
        case RetentionRatio(ratio, limits):
            return Truncation(retention_ratio=ratio, post_instructions=limits.post_instructions if limits else None)
        case name:
            return Truncation(is_disabled=name == "disabled")


def resolve_items(
    given: list[Item | ItemReference] | None,
    conversation: Conversation,
    new_id: Callable[[str], str],
    capabilities: Capabilities,
) -> list[Item] | None:
    """Look up the references in the input of a response, and check its items; raises `ProtocolError`."""
    if given is None:
        return None
    items: list[Item] = []
    for index, item in enumerate(given):
        if not isinstance(item, ItemReference):
            check_item(item, f"response.input[{index}]")
            refuse_audio(item, f"response.input[{index}]")
            capabilities.check_images(item, f"response.input[{index}]")
            item.status = "completed"  # the model is shown what the client sends, as in the conversation
            if isinstance(item, FunctionCallItem):
                item.call_id = item.call_id or new_id("call")
        items.append(conversation.get(item.id, "retrieve") if isinstance(item, ItemReference) else item)
    calls = {item.call_id for item in items if isinstance(item, FunctionCallItem)}
    for index, item in enumerate(items):
        if isinstance(item, FunctionCallOutputItem) and item.call_id not in calls:
            raise unknown_call(item.call_id, "response.input", f"response.input[{index}].call_id")
    return items


def own_tools(
    options: ResponseOptions, session: Session, capabilities: Capabilities, *, offers_more: bool
) -> Sequence[ToolDefinition]:
    """Return the tools that a response names itself; raises `ProtocolError` for them, and for a choice of none of them.

    `offers_more`: whether the model is offered tools that the client did not name.
    """
    own = [] if options.tools is UNSET else options.tools
    capabilities.check_tools(own, "response.tools")
    if options.tools is UNSET and options.tool_choice is UNSET:
        return own  # the session was checked with its own
    tools = session.tools if options.tools is UNSET else own
    choice = session.tool_choice if options.tool_choice is UNSET else options.tool_choice
    capabilities.check_tool_choice(choice, tools, "response.tool_choice")
    if options.tool_choice == "required" and not tools and not offers_more:
        raise invalid("required", "response.tool_choice", "there are no tools")
    return own


def plan_response(
    response_id: str, options: ResponseOptions, session: Session, capabilities: Capabilities, apology: str = ""
) -> ResponsePlan:
    """Merge the options of a response with the session's; raises `ProtocolError` for an invalid audio output."""
    output = _audio_output(options, session, capabilities)
    max_tokens = session.max_output_tokens if options.max_output_tokens is UNSET else options.max_output_tokens
    return ResponsePlan(
        id=response_id,
        modality="audio" if "audio" in _modalities(options, session) else "text",
        format=output.format,
        speech=_speech_options(output, capabilities),
        max_output_tokens=max_tokens,
        metadata=options.metadata,
        in_conversation=options.conversation != "none",
        language=expected_language(options, session, capabilities),
        times_words=session.wants(WORD_EVENTS),
        tells_of_voice=session.wants(VOICE_EVENTS),
        apology=apology,
    )


def already_active(response_id: str, *, answers_later: bool) -> ProtocolError:
    """Return the error of a client that asks for a response while another one is in progress.

    `answers_later`: the results of functions that have come meanwhile are answered all the same.
    """
    more = "The results of functions that have come meanwhile are answered then." if answers_later else ""
    return ProtocolError(
        "conversation_already_has_active_response",
        f"Conversation already has an active response in progress: {response_id}. "
        f"Wait until the response is finished before creating a new one. {more}".rstrip(),
    )


def spoken_as(options: ResponseOptions, session: Session, capabilities: Capabilities) -> SpeechOptions | None:
    """Return the speech options of a response; None for a written one."""
    if "audio" not in _modalities(options, session):
        return None
    return _speech_options(_audio_output(options, session, capabilities), capabilities)


def expected_language(options: ResponseOptions, session: Session, capabilities: Capabilities) -> ExpectedLanguage:
    """Return the language in which a response probably begins, as far as its options and the session tell."""
    if session.spoken_language is not None:
        return ExpectedLanguage(session.spoken_language)
    among, hint = capabilities.spoken_languages, normalize_language(_language(session) or "")
    if hint in among:
        return ExpectedLanguage(hint, among)
    speech = _speech_options(_audio_output(options, session, capabilities), capabilities)
    return ExpectedLanguage(capabilities.language_of(speech.voice), among, is_known=False)


def _modalities(options: ResponseOptions, session: Session) -> list[Modality]:
    return session.output_modalities if options.output_modalities is UNSET else options.output_modalities


def _speech_options(output: AudioOutput, capabilities: Capabilities) -> SpeechOptions:
    voice = output.voice.id if isinstance(output.voice, VoiceId) else output.voice
    return capabilities.speech(voice, output.speed)


def _audio_output(options: ResponseOptions, session: Session, capabilities: Capabilities) -> AudioOutput:
    held = session.audio.output
    if options.audio is UNSET or options.audio.output is UNSET:
        return held
    given = structs.asdict(options.audio.output)
    asked = structs.replace(held, **{name: value for name, value in given.items() if value is not UNSET})
    return capabilities.output(asked, "response.audio.output")
