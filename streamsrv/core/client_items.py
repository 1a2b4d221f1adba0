"""Adds the items that a client creates to the conversation, and cuts spoken ones. Pure."""

from collections.abc import Callable

from streamsrv.core.answers.tool_turns import ToolTurns
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.clips import take_clip
from streamsrv.core.conversation import Conversation, duplicate_item
from streamsrv.core.effects import Effect, send_event
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.transcription import Transcriptions
from streamsrv.core.turns.input_buffer import InputBuffer
from streamsrv.protocol.client_events import ItemCreate, ItemTruncate
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.items import FunctionCallItem, Item, McpApprovalResponseItem, check_item, item_to_wire
from streamsrv.protocol.session_object import AudioFormat


class ClientItems:
    """Checks the items of a client, completes them and announces them. `new_id` makes ids from a prefix."""

    def __init__(
        self,
        conversation: Conversation,
        input_buffer: InputBuffer,
        output_buffer: OutputBuffer,
        transcriptions: Transcriptions,
        tool_turns: ToolTurns,
        capabilities: Capabilities,
        new_id: Callable[[str], str],
    ) -> None:
        self._conversation = conversation
        self._input = input_buffer
        self._output = output_buffer
        self._transcriptions = transcriptions
        self._tool_turns = tool_turns
        self._capabilities = capabilities
        self._new_id = new_id

    def create(self, event: ItemCreate, audio_format: AudioFormat) -> list[Effect]:
        """Add an item, and have its audio recognised; raises `ProtocolError`."""
        item = event.item
        check_item(item)
        self._capabilities.check_images(item, "item")
        item.id = item.id or self._new_id("item")
        item.status = "completed"
        if isinstance(item, FunctionCallItem):
            item.call_id = item.call_id or self._new_id("call")
        self._conversation.check_addition(item)
        clip, clip_ms = take_clip(item, audio_format, self._transcriptions.pending.values())
        if item.id == self._input.item_id:
            raise duplicate_item(item.id)  # the client was told this id: it belongs to the audio in the buffer
        if isinstance(item, McpApprovalResponseItem):
            self._tool_turns.check_decision(item, self._conversation)
        effects = announced(item, self._conversation.add(item, event.previous_item_id))
        if isinstance(item, McpApprovalResponseItem):
            effects += self._tool_turns.decide(item)
        if clip:
            effects += self._transcriptions.add_clip(item.id, clip, clip_ms)
        return effects

    def retrieve(self, item_id: str) -> Effect:
        """Return the event with an item; raises `ProtocolError`."""
        return send_event("conversation.item.retrieved", item=item_to_wire(self._conversation.get(item_id, "retrieve")))

    def truncate(self, event: ItemTruncate, now_ms: int) -> list[Effect]:
        """Cut a spoken item to what was heard of it; raises `ProtocolError`."""
        self._conversation.get(event.item_id, "truncate")
        if event.content_index != 0:
            message = f"Invalid value {event.content_index} for 'content_index': accepted is 0."
            raise ProtocolError("invalid_value", message, "content_index")
        return self._output.truncate(event.item_id, event.audio_end_ms, now_ms)


def announced(item: Item, previous_id: str | None) -> list[Effect]:
    """Return the events for an item that is complete."""
    wire = item_to_wire(item)
    return [
        send_event("conversation.item.added", previous_item_id=previous_id, item=wire),
        send_event("conversation.item.done", previous_item_id=previous_id, item=wire),
    ]
