"""The output items of a response: written or spoken messages, and function calls. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from streamsrv.core.answers.reply_language import ENGLISH, ExpectedLanguage
from streamsrv.core.collector import Collector
from streamsrv.core.conversation import Conversation
from streamsrv.engines.llm.base import ProviderData, ToolCallDelta
from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.protocol.items import (
    MAX_ID,
    NO_ARGUMENTS,
    FunctionCallItem,
    Item,
    MessageItem,
    OutputAudio,
    OutputText,
    Status,
    item_to_wire,
    unreadable_arguments,
)
from streamsrv.protocol.session_object import AudioFormat, MaxOutputTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsePlan:
    """The options of a response; fixed when it is created."""

    id: str
    modality: Literal["audio", "text"]
    format: AudioFormat
    speech: SpeechOptions
    """Of all segments, but for the language, which each segment has."""
    max_output_tokens: MaxOutputTokens
    metadata: dict[str, str] | None
    in_conversation: bool
    language: ExpectedLanguage = ENGLISH
    """In which the answer probably begins."""
    times_words: bool = False
    """Whether the client is told when each word is spoken."""
    tells_of_voice: bool = False
    """Whether the client is told that the voice has failed."""
    apology: str = ""
    """Is said if the answer fails; empty: nothing."""

    @property
    def spoken_as(self) -> SpeechOptions | None:
        """How to speak the answer; None for a written one."""
        return self.speech if self.modality == "audio" else None


class OutputItems:
    """Announces the items of one response, and adds them to the conversation if the response belongs to it."""

    def __init__(
        self,
        plan: ResponsePlan,
        generation: int,
        conversation: Conversation,
        effects: Collector,
        new_id: Callable[[str], str],
    ) -> None:
        self.plan = plan
        self.generation = generation
        self.effects = effects
        self.new_id = new_id
        self._conversation = conversation
        self._items: list[Item] = []
        self._ineffective: set[str] = set()  # ids of calls for which nothing was done
        self._shown: list[dict[str, Any]] = []  # as last announced: the conversation may trim what was heard later
        self._previous: list[str | None] = []

    def add(self, item: Item) -> int:
        """Announce an item in progress; return its output index."""
        index = len(self._items)
        self._items.append(item)
        self._shown.append(item_to_wire(item))
        self.effects.send("response.output_item.added", **self._event_fields(index), item=item_to_wire(item))
        previous_id = None
        if self.plan.in_conversation:
            previous_id = self._conversation.add(item)
            self._conversation.keep_turn(item.id, self.plan.id)
            self.effects.send("conversation.item.added", previous_item_id=previous_id, item=item_to_wire(item))
        self._previous.append(previous_id)
        return index

    def hide(self, item: Item) -> None:
        """Do not show an item to the language model."""
        self._conversation.hide(item.id)

    def note_ineffective(self, item: Item) -> None:
        """A call has ended, and nothing was done for it."""
        self._ineffective.add(item.id)

    def hide_ineffective(self) -> None:
        """Do not show the language model the messages, and the calls for which nothing was done."""
        for item in self._items:
            is_ineffective = isinstance(item, MessageItem) or item.id in self._ineffective
            if is_ineffective and item.id in self._conversation:
                self.hide(item)

    def keep_provider_data(self, index: int, more: ProviderData) -> None:
        """Keep what the provider wants back with a function call; see `ToolCall`."""
        self._conversation.keep_provider_data(self._items[index].id, more)

    def finish(self, index: int, status: Status) -> None:
        """Announce that an item is done."""
        item = self._items[index]
        item.status = status
        self._conversation.finish(item)
        self._shown[index] = item_to_wire(item)
        if item.id in self._conversation:
            self.effects.send("conversation.item.done", previous_item_id=self._previous[index], item=item_to_wire(item))
        self.effects.send("response.output_item.done", **self._event_fields(index), item=item_to_wire(item))

    def to_wire(self) -> list[dict[str, Any]]:
        return list(self._shown)

    def _event_fields(self, index: int) -> dict[str, Any]:
        return {"response_id": self.plan.id, "output_index": index}


class FunctionCall:
    """A function call while its arguments arrive.

    The client is told that they are complete only when the model has finished, and only if they can be read: clients
    act on that. A call that was cut off acts nowhere.
    """

    def __init__(self, items: OutputItems, first: ToolCallDelta) -> None:
        self._items = items
        has_usable_id = 0 < len(first.call_id) <= MAX_ID  # with a longer one the client could not send the result
        call_id = first.call_id if has_usable_id else items.new_id("call")
        self._item = FunctionCallItem(
            id=items.new_id("item"), status="in_progress", name=first.name, call_id=call_id, arguments=""
        )
        self._index = items.add(self._item)
        self.closed = False
        self.is_complete = False
        """Whether the client acts on it."""
        self.take(first)

    @property
    def call_id(self) -> str:
        return self._item.call_id

    def take(self, delta: ToolCallDelta) -> None:
        if delta.provider_data:
            self._items.keep_provider_data(self._index, delta.provider_data)
        if delta.arguments:
            self._item.arguments += delta.arguments
            self._send("delta", delta=delta.arguments)

    @property
    def problem(self) -> str:
        """What is wrong with the arguments, as a sentence; empty: nothing."""
        reason = unreadable_arguments(self._item.arguments or NO_ARGUMENTS)
        return (
            f"The model called {self._item.name!r} with arguments that are no JSON object: {reason}." if reason else ""
        )

    def complete(self) -> None:
        """End the arguments, so that the client acts."""
        if not self._item.arguments:
            self.take(ToolCallDelta(0, NO_ARGUMENTS))
        self._send("done", name=self._item.name, arguments=self._item.arguments)
        self.is_complete = True
        self._finish("completed")

    def abandon(self) -> None:
        """End a call that is not to be acted on."""
        self._finish("incomplete")

    def _finish(self, status: Status) -> None:
        self.closed = True
        self._items.finish(self._index, status)

    def _send(self, suffix: str, **fields: str) -> None:
        self._items.effects.send(
            f"response.function_call_arguments.{suffix}",
            response_id=self._items.plan.id,
            item_id=self._item.id,
            output_index=self._index,
            call_id=self._item.call_id,
            **fields,
        )


class Message:
    """The common part of written and spoken messages: one item with one content part."""

    def __init__(self, items: OutputItems, part: dict[str, str]) -> None:
        self.item = MessageItem(id=items.new_id("item"), status="in_progress", role="assistant", content=[])
        self.closed = False
        self._items = items
        self._effects = items.effects
        self._index = items.add(self.item)
        self._event_fields: dict[str, Any] = {
            "response_id": items.plan.id,
            "item_id": self.item.id,
            "output_index": self._index,
            "content_index": 0,
        }
        self._effects.send("response.content_part.added", **self._event_fields, part=part)

    def _finish(self, part: dict[str, str], content: OutputText | OutputAudio, status: Status) -> None:
        self.closed = True
        self.item.content = [content]
        self._effects.send("response.content_part.done", **self._event_fields, part=part)
        self._items.finish(self._index, status)


class WrittenMessage(Message):
    """An assistant message of a text response."""

    def __init__(self, items: OutputItems) -> None:
        super().__init__(items, {"type": "text", "text": ""})
        self._text = ""
        self.complete = False
        """Whether the model finished it."""

    def take_text(self, text: str) -> None:
        self._text += text
        self._effects.send("response.output_text.delta", **self._event_fields, delta=text)

    def finish_text(self) -> None:
        self.complete = True

    def close(self, status: Status) -> None:
        self._effects.send("response.output_text.done", **self._event_fields, text=self._text)
        self._finish({"type": "text", "text": self._text}, OutputText(self._text), status)
