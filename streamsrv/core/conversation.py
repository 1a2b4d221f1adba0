"""The conversation: its items in order, and the messages that the language model gets. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable

from streamsrv.core.history import joined, valid_history
from streamsrv.engines.llm.base import Image, Message, ProviderData, ToolCall
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.items import (
    NO_ARGUMENTS,
    ROOT,
    FunctionCallItem,
    FunctionCallOutputItem,
    InputAudio,
    InputImage,
    InputText,
    Item,
    McpApprovalRequestItem,
    McpApprovalResponseItem,
    McpCallItem,
    McpListToolsItem,
    MessageItem,
    OutputAudio,
    OutputText,
    image_length,
    text_length,
    unreadable_arguments,
)
from streamsrv.protocol.tools import function_name

DENIED = "The call was not made, because the user did not approve it."
"""Result of a call for the language model."""
MAX_ITEMS = 10_000
"""Items one conversation may hold."""
MAX_IMAGE_CHARACTERS = 32_000_000
"""Characters in the URLs of the pictures in one conversation."""
MAX_AGENT_WORDS = 60
"""Words of the agent that an end-of-turn model is told before the user's turn."""
MAX_CHARACTERS = 4_000_000
"""Text that a client may put into one conversation: more than any model reads."""


class Conversation:
    """An ordered set of items.

    What the language model is shown of an item is worked out when the item changes. A turn only puts that together, in
    time proportional to the number of items.
    """

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self._items: dict[str, Item] = {}
        self._order: list[str] = []
        self._lengths: dict[str, int] = {}  # characters, by item
        self._characters = 0
        self._image_characters = 0
        self._call_ids: Counter[str] = Counter()  # of the function calls
        self._result_ids: Counter[str] = Counter()  # the ids of the calls that have results
        self._hidden: set[str] = set()  # items that the language model is not shown
        self.new_results = 0
        """Results of function calls that were added since this was last set to 0."""
        self._turns: dict[str, str] = {}  # by item: the response that made it
        self._parts: dict[str, str] = {}  # by item of the user that goes on with an earlier one: the first of them
        self._next_part = ("", "")  # the same of the item that the audio in the buffer will become
        self._provider_data: dict[str, ProviderData] = {}  # by item, see `ToolCall`; clients never see it
        self._messages: dict[str, Message | None] = {}  # of items that are not in progress, as `message_of` gives them

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    @property
    def items(self) -> list[Item]:
        """All items in order."""
        return [self._items[item_id] for item_id in self._order]

    @property
    def last_words_of_agent(self) -> str:
        """The last `MAX_AGENT_WORDS` words of what the agent said last, as far as they were heard."""
        for item_id in reversed(self._order):
            item = self._items[item_id]
            if isinstance(item, MessageItem) and item.role == "assistant" and (text := _text(item)):
                return " ".join(text.split()[-MAX_AGENT_WORDS:])
        return ""

    def add(self, item: Item, previous_id: str | None = None) -> str | None:
        """Insert after `previous_id` (None: at the end; `root`: at the start); return the item before it, if any."""
        if item.id in self._items:
            raise duplicate_item(item.id)
        index = self._index_after(previous_id)
        if item.id == self._next_part[0]:
            self._parts[item.id] = self._next_part[1]
        self._order.insert(index, item.id)
        self._items[item.id] = item
        if isinstance(item, FunctionCallItem):
            self._call_ids[item.call_id] += 1
        elif isinstance(item, FunctionCallOutputItem):
            self._result_ids[item.call_id] += 1
            self.new_results += 1
        self._image_characters += image_length(item)
        self._note(item)
        return self._order[index - 1] if index else None

    def check_addition(self, item: Item) -> None:
        """Refuse a client's item when the conversation is full, and the output of a call that is not in it.

        Items of the model are always added.
        """
        if isinstance(item, FunctionCallOutputItem) and item.call_id not in self._call_ids:
            raise unknown_call(item.call_id, "conversation", "item.call_id")
        if len(self._order) >= MAX_ITEMS:
            raise ProtocolError("invalid_value", f"The conversation is full: it holds {MAX_ITEMS} items.", "item")
        if self._characters + text_length(item) > MAX_CHARACTERS:
            raise ProtocolError(
                "invalid_value", f"The conversation is full: it holds {MAX_CHARACTERS} characters.", "item"
            )
        if self._image_characters + image_length(item) > MAX_IMAGE_CHARACTERS:
            message = (
                f"The conversation has no room for this picture: it holds {MAX_IMAGE_CHARACTERS} characters of "
                "pictures. "
                "Delete items with pictures that are no longer needed."
            )
            raise ProtocolError("invalid_value", message, "item")

    def get(self, item_id: str, action: str) -> Item:
        """The item, or the error of `item_{action}_invalid_item_id`."""
        if item_id not in self._items:
            raise ProtocolError(
                f"item_{action}_invalid_item_id",
                f"Error: no item with the id '{item_id}' is in the conversation.",
                "item_id",
            )
        return self._items[item_id]

    def delete(self, item_id: str) -> None:
        item = self.get(item_id, "delete")
        if isinstance(item, FunctionCallItem):
            self._call_ids -= Counter([item.call_id])
        elif isinstance(item, FunctionCallOutputItem):
            self._result_ids -= Counter([item.call_id])
        self._hidden.discard(item_id)
        del self._items[item_id]
        self._order.remove(item_id)
        self._messages.pop(item_id, None)
        self._provider_data.pop(item_id, None)
        self._turns.pop(item_id, None)
        self._parts.pop(item_id, None)
        self._characters -= self._lengths.pop(item_id)
        self._image_characters -= image_length(item)

    def set_transcript(self, item_id: str, transcript: str) -> None:
        """Replace the transcript of an audio item (what was said, or what was heard); unknown items are ignored."""
        item = self._items.get(item_id)
        if isinstance(item, MessageItem):
            for part in item.content:
                if isinstance(part, InputAudio | OutputAudio):
                    part.transcript = transcript
            self._note(item)

    def awaits_result(self, call_id: str) -> bool:
        """Whether a function call of the conversation has no result yet."""
        return call_id in self._call_ids and call_id not in self._result_ids

    def hide(self, item_id: str) -> None:
        """Do not show an item to the language model."""
        self._hidden.add(item_id)

    def continue_turn(self, item_id: str, earlier_id: str) -> None:
        """Show the model the next item of the user as the rest of an earlier one: both are parts of one message."""
        self._next_part = (item_id, self._parts.get(earlier_id, earlier_id))

    def part_of(self, item: Item) -> str:
        """The first of the items that are shown as one message with this one, even if that was deleted."""
        item_id, first_id = self._next_part
        return first_id if item.id == item_id else self._parts.get(item.id, item.id)

    def shown_after(self, item_id: str) -> list[MessageItem]:
        """The messages after an item that the language model is shown."""
        later = self._order[self._order.index(item_id) + 1 :] if item_id in self._items else []
        items = [self._items[each] for each in later if each not in self._hidden]
        return [item for item in items if isinstance(item, MessageItem)]

    def keep_provider_data(self, item_id: str, more: ProviderData) -> None:
        """Add to what a provider wants back with a function call; unknown items are ignored."""
        if item_id in self._items:
            self._provider_data[item_id] = {**self._provider_data.get(item_id, {}), **more}

    def keep_turn(self, item_id: str, response_id: str) -> None:
        """Keep the response that an item belongs to; unknown items are ignored."""
        if item_id in self._items:
            self._turns[item_id] = response_id

    def turn_of(self, item: Item) -> str | None:
        """The id of the response that an item belongs to."""
        return self._turns.get(item.id)

    def finish(self, item: Item) -> None:
        """The model's item will not change any more."""
        if item.id in self._items:
            self._note(item)

    def message(self, item: Item) -> Message | None:
        """The message that an item becomes, of this conversation or not; None: the item has no words."""
        if item.id in self._hidden and self._items.get(item.id) is item:
            return None
        if item.status == "in_progress" or self._items.get(item.id) is not item:
            return message_of(item)
        if item.id not in self._messages:
            self._messages[item.id] = message_of(item, self._provider_data.get(item.id))
        return self._messages[item.id]

    def messages(self, instructions: str, items: Iterable[Item]) -> tuple[Message, ...]:
        """The messages for a language model, as `to_messages` gives them, of these items of the conversation."""
        return to_messages(instructions, items, self.message, self.turn_of, self.part_of)

    def _note(self, item: Item) -> None:
        """Update what is derived from the content of an item."""
        length = text_length(item)
        self._characters += length - self._lengths.get(item.id, 0)
        self._lengths[item.id] = length
        self._messages.pop(item.id, None)

    def _index_after(self, previous_id: str | None) -> int:
        if previous_id is None:
            return len(self._order)
        if previous_id == ROOT:
            return 0
        if previous_id not in self._items:
            raise ProtocolError(
                "item_create_invalid_previous_item_id",
                f"Error creating item: no item with the id '{previous_id}' is in the conversation.",
                "previous_item_id",
            )
        return self._order.index(previous_id) + 1


def duplicate_item(item_id: str) -> ProtocolError:
    return ProtocolError(
        "item_create_duplicate_item_id",
        f"Error creating item: an item with the id '{item_id}' already exists.",
        "item.id",
    )


def unknown_call(call_id: str, place: str, param: str) -> ProtocolError:
    return ProtocolError("invalid_tool_call_id", f"Tool call ID '{call_id}' not found in {place}.", param)


def to_messages(
    instructions: str,
    items: Iterable[Item],
    shown: Callable[[Item], Message | None] | None = None,
    turn_of: Callable[[Item], str | None] | None = None,
    part_of: Callable[[Item], str] | None = None,
) -> tuple[Message, ...]:
    """The messages for a language model: the instructions, then those of the items, as a `valid_history`.

    A function call that was cut off, and has no result, is left out. `shown` gives the message of an item:
    `message_of`, or the method of a conversation, which caches; `turn_of` the answer that it belongs to; `part_of` the
    first of the user's items that become one message with it, in the place of that one.
    """
    show = shown or message_of
    messages: list[Message | None] = []
    results: list[Message | None] = []  # of the calls of one answer, which stay together
    turn: str | None = None
    places: dict[str, int] = {}  # of the user's messages, by their first item
    for item in _acting(items):
        if not isinstance(item, McpCallItem) or turn_of is None or turn_of(item) != turn:
            messages += results
            results = []
        turn = turn_of(item) if turn_of is not None else None
        message = show(item)
        if part_of is not None and message is not None and message.role == "user":
            place = places.setdefault(part_of(item), len(messages))
            if place < len(messages) and (before := messages[place]) is not None:
                messages[place] = joined(before, message)
                continue
        messages.append(message)
        results.append(result_of(item))
    system = [Message("system", instructions)] if instructions else []
    return (*system, *valid_history([message for message in (*messages, *results) if message is not None]))


def message_of(item: Item, provider_data: ProviderData | None = None) -> Message | None:
    """The message that one item becomes; None: the item has no words."""
    match item:
        case MessageItem():
            text, images = _text(item), _images(item)
            return Message(item.role, text, images=images) if text or images else None
        case FunctionCallItem():
            call = ToolCall(item.call_id, function_name(item.name), _arguments(item), provider_data or {})
            return Message("assistant", "", (call,))
        case FunctionCallOutputItem():
            return Message("tool", item.output, call_id=item.call_id)
        case McpCallItem() if item.approval_request_id:
            return None  # the request is the call, and this item has its result
        case McpCallItem() | McpApprovalRequestItem():
            call = ToolCall(item.id, function_name(item.name), _arguments(item), provider_data or {})
            return Message("assistant", "", (call,))
        case McpApprovalResponseItem():
            if item.approve:
                return None
            reason = f" Reason: {item.reason}" if item.reason else ""
            return Message("tool", f"{DENIED}{reason}", call_id=item.approval_request_id)
        case McpListToolsItem():
            return None


def result_of(item: Item) -> Message | None:
    """The result of a call that this server made."""
    if not isinstance(item, McpCallItem) or (item.output is None and item.error is None):
        return None
    text = item.output if item.error is None else f"Error: {item.error.message}"
    return Message("tool", text or "", call_id=item.approval_request_id or item.id)


def _acting(items: Iterable[Item]) -> list[Item]:
    """The items without the function calls that were cut off: nobody acted on them, unless there is a result."""
    items = list(items)
    results = {item.call_id for item in items if isinstance(item, FunctionCallOutputItem)}
    return [
        item
        for item in items
        if not (isinstance(item, FunctionCallItem) and item.status == "incomplete" and item.call_id not in results)
    ]


def _arguments(item: FunctionCallItem | McpCallItem | McpApprovalRequestItem) -> str:
    """The arguments; an empty object for a call that was cut off in the middle of them, which providers refuse."""
    return NO_ARGUMENTS if unreadable_arguments(item.arguments) else item.arguments


def _images(item: MessageItem) -> tuple[Image, ...]:
    return tuple(Image(part.image_url, part.detail) for part in item.content if isinstance(part, InputImage))


def _text(item: MessageItem) -> str:
    texts: list[str] = []
    for part in item.content:
        match part:
            case InputText() | OutputText():
                texts.append(part.text.strip())
            case InputAudio() | OutputAudio():
                texts.append((part.transcript or "").strip())
            case InputImage():
                pass
    return " ".join(text for text in texts if text)
