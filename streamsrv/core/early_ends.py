"""Undoes the early end of a turn with which the user goes on: both parts become one turn. Pure."""

from streamsrv.core.answers.responses import Responses
from streamsrv.core.answers.spoken_message import SpokenMessage
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import Effect, RecordEarlyTurnEnd, send_event
from streamsrv.core.turns.input_buffer import InputBuffer
from streamsrv.core.turns.resuming import Resumption
from streamsrv.protocol.session_object import Session

RESUMED_EVENTS = "turn.resumed"
"""Name of the extension that sends `streamsrv.turn.resumed` events."""
NEARLY_OVER_MS = 100
"""An answer of which no more than this is left to be played has been heard."""


class EarlyEnds:
    """Decides which turns are undone, and joins their parts."""

    def __init__(self, conversation: Conversation, input_buffer: InputBuffer, responses: Responses) -> None:
        self._conversation = conversation
        self._input = input_buffer
        self._responses = responses

    def is_one(self, resumes: Resumption, may_interrupt: bool, *, is_wordless: bool, now_ms: int) -> bool:
        """Whether nothing stands between the parts of the turn but an answer that nobody has heard to its end.

        What the client, a tool or the operator had said stays, and so does what must not be interrupted. What
        `is_wordless` until now may be the answer's echo, for which an answer that is nearly over is not undone.
        """
        if resumes.item_id not in self._conversation:
            return False
        reply = self._responses.reply_to(resumes.item_id)
        between = self._conversation.shown_after(resumes.item_id)
        if any(reply is None or self._conversation.turn_of(item) != reply.plan.id for item in between):
            return False
        if reply is None:
            return True
        if not may_interrupt:
            return False
        if not reply.done or reply.message is None:
            return True
        began_ms = now_ms - (self._input.received_ms - self._input.speech_began_ms)
        heard_ms = now_ms + NEARLY_OVER_MS if is_wordless else began_ms
        return isinstance(reply.message, SpokenMessage) and reply.message.ledger.play_until_ms > heard_ms

    def undo(self, resumes: Resumption, session: Session) -> list[Effect]:
        """Make the audio in the buffer a part of the earlier turn; the answer to that is still to be interrupted."""
        reply, item_id = self._responses.reply_to(resumes.item_id), self._input.assign_item_id()
        self._conversation.continue_turn(item_id, resumes.item_id)
        effects: list[Effect] = [RecordEarlyTurnEnd(resumes.pause_ms, reply is not None)]
        if session.wants(RESUMED_EVENTS):
            fields = {
                "item_id": item_id,
                "resumed_item_id": resumes.item_id,
                "response_id": None if reply is None else reply.plan.id,
                "pause_ms": resumes.pause_ms,
            }
            effects.append(send_event("streamsrv.turn.resumed", **fields))
        return effects
