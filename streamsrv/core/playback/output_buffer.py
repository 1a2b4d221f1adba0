"""The output audio buffer: which answers are being played, held or dropped, and what of them was heard. Pure."""

from streamsrv.core.answers.output_items import SpokenMessage
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import ClearPlayback, HoldPlayback, ResumePlayback
from streamsrv.core.outbox import Outbox
from streamsrv.core.playback.ledger import PlaybackLedger
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session

ECHO_DELAY_MS = 1000
"""From the time at which something is played, as far as we know, until its echo has been heard."""
TRUNCATION_TOLERANCE_MS = 20
"""A client may be so far beyond the end of an item: it counts in frames of 20 ms."""
HOLD_EVENTS = "playback.hold"
"""Name under which a client asks to be told to hold, resume and clear its playback; it then reports what it plays."""


class OutputAudio:
    """Keeps the ledger of every spoken item, and the conversation's items to what was heard of them.

    Who holds playback: the transport (`held_by_transport`), a client that asked for `playback.hold`, or a stock client,
    which plays what it gets. The first two can hold and resume, and say where they were cut off.
    """

    def __init__(self, conversation: Conversation, outbox: Outbox, *, held_by_transport: bool = False) -> None:
        self._conversation = conversation
        self._outbox = outbox
        self._held_by_transport = held_by_transport
        self._held_by_client = False
        self._ledgers: dict[str, PlaybackLedger] = {}
        self._response_ids: dict[str, str] = {}  # by item, until its playback has ended
        self._playing: list[str] = []  # items to trim when the user speaks up, in the order in which they are played
        self._started: set[str] = set()  # responses of which something is played by the transport
        self._deleted: set[str] = set()  # items that are not in the conversation any more, and may still be heard
        self._is_held = False

    def configure(self, session: Session) -> None:
        """The session's options changed."""
        self._held_by_client = session.wants(HOLD_EVENTS) and not self._held_by_transport

    @property
    def can_hold(self) -> bool:
        """Whether playback can be held and resumed."""
        return self._held_by_transport or self._held_by_client

    @property
    def used(self) -> bool:
        """Whether any audio was sent."""
        return any(ledger.sent_ms for ledger in self._ledgers.values())

    @property
    def play_until_ms(self) -> int:
        """Wall ms at which everything said so far, and not stopped, will have been played."""
        return max((self._ledgers[item_id].play_until_ms for item_id in self._playing), default=0)

    def is_playing(self, now_ms: int) -> bool:
        return self._is_held or self.play_until_ms > now_ms

    def may_echo(self, now_ms: int) -> bool:
        """Whether what a microphone hears now may be what was played: it takes its time to arrive."""
        return self.is_playing(now_ms - ECHO_DELAY_MS)

    def words_played(self, now_ms: int) -> str:
        """What was heard of the answers that are playing or were last."""
        ledgers = [self._ledgers[item_id] for item_id in self._playing]
        return " ".join(ledger.heard_text(ledger.played_ms(now_ms)) for ledger in ledgers)

    def add(self, message: SpokenMessage, *, response_id: str, in_conversation: bool, now_ms: int) -> None:
        """A spoken item begins; a second call for it does nothing."""
        item_id = message.item.id
        if item_id in self._ledgers:
            return
        self._ledgers[item_id] = message.ledger
        self._response_ids[item_id] = response_id
        if in_conversation:
            message.ledger.play_after(self.play_until_ms)
            if self._is_held:
                message.ledger.hold(now_ms)
            self._playing = [i for i in self._playing if self._ledgers[i].play_until_ms > now_ms]
            self._playing.append(item_id)
            for silent_id in self._deleted.difference(self._playing):
                del self._ledgers[silent_id]
            self._deleted.intersection_update(self._playing)

    def hold(self, now_ms: int) -> None:
        """Somebody speaks who may want to interrupt: be silent while that is found out, where that is possible."""
        if not self.can_hold or self._is_held:
            return
        self._is_held = True
        for item_id in self._playing:
            self._ledgers[item_id].hold(now_ms)
        self._control(HoldPlayback(), "streamsrv.playback.hold")

    def resume(self, now_ms: int) -> None:
        """They do not: go on from where playback was held."""
        if not self._is_held:
            return
        self._is_held = False
        for item_id in self._playing:
            self._ledgers[item_id].resume(now_ms)
        self._control(ResumePlayback(), "streamsrv.playback.resume")

    def interrupt(self, now_ms: int) -> None:
        """Nothing more of what was said is played: keep in the conversation the words that were heard."""
        is_heard = self.is_playing(now_ms)
        playing, self._playing = self._playing, []
        for item_id in playing:
            ledger = self._ledgers[item_id]
            if ledger.truncated_ms is None:
                self.keep_heard(item_id, ledger.played_ms(now_ms))
            ledger.stop(now_ms)
        if is_heard:
            self._clear()

    def check_clearable(self) -> None:
        """Raises `ProtocolError` where the client itself holds playback."""
        if not self._held_by_transport:
            raise ProtocolError("invalid_value", "This event is only for WebRTC and telephone sessions.", "type")

    def truncate(self, item_id: str, audio_end_ms: int, now_ms: int) -> None:
        """No more than `audio_end_ms` of an item was played. Raises `ProtocolError`, and changes nothing."""
        ledger = None if item_id in self._deleted else self._ledgers.get(item_id)
        if ledger is None:
            raise ProtocolError(
                "item_truncate_invalid_item_id",
                f"Error: only spoken assistant messages can be truncated, and '{item_id}' is none.",
                "item_id",
            )
        limit_ms = ledger.sent_ms if ledger.truncated_ms is None else ledger.truncated_ms
        if audio_end_ms > limit_ms + TRUNCATION_TOLERANCE_MS:
            raise ProtocolError(
                "invalid_value",
                f"Invalid value {audio_end_ms} for 'audio_end_ms': the item's audio ends at {limit_ms} ms.",
                "audio_end_ms",
            )
        audio_end_ms = min(audio_end_ms, limit_ms)
        ledger.truncated_ms = audio_end_ms
        ledger.stop(now_ms)
        self.keep_heard(item_id, audio_end_ms)
        self._outbox.send("conversation.item.truncated", item_id=item_id, content_index=0, audio_end_ms=audio_end_ms)

    def report(self, item_id: str, audio_ms: int, now_ms: int) -> bool:
        """So much of an item was played; returns whether this is the first that is heard of it."""
        ledger = self._ledgers.get(item_id)
        if ledger is None:
            return False
        is_first = not ledger.reported
        ledger.report(audio_ms, now_ms)
        response_id = self._response_ids.get(item_id)
        if self._held_by_transport and response_id and response_id not in self._started and not ledger.stopped:
            self._started.add(response_id)
            self._outbox.send("output_audio_buffer.started", response_id=response_id)
        return is_first

    def end(self, item_id: str, audio_ms: int, now_ms: int) -> None:
        """No more of an item will be played: all of it was, or it was cut off, at the `audio_ms` that were reported."""
        response_id = self._response_ids.pop(item_id, None)
        if response_id is None:
            return
        ledger = self._ledgers.get(item_id)
        is_cut_off = ledger is not None and ledger.stopped and ledger.truncated_ms is None
        if ledger is not None and is_cut_off and item_id not in self._deleted:
            self.truncate(item_id, min(audio_ms, ledger.sent_ms), now_ms)
        if response_id in self._started and response_id not in self._response_ids.values():
            self._started.remove(response_id)
            self._outbox.send("output_audio_buffer.stopped", response_id=response_id)

    def close(self, message: SpokenMessage, *, completed: bool) -> None:
        """No more of an item will be sent."""
        ledger = message.ledger
        if ledger.truncated_ms is not None:
            self.keep_heard(message.item.id, ledger.truncated_ms)
        elif not completed:
            self.keep_heard(message.item.id, ledger.sent_ms)

    def forget(self, item_id: str) -> None:
        """An item was deleted: what is heard of it does not matter any more, but it plays on until it is stopped."""
        if item_id in self._playing:
            self._deleted.add(item_id)
        else:
            self._ledgers.pop(item_id, None)

    def keep_heard(self, item_id: str, audio_ms: int) -> None:
        if item_id in self._ledgers and item_id not in self._deleted:
            self._conversation.set_transcript(item_id, self._ledgers[item_id].heard_text(audio_ms))

    def _clear(self) -> None:
        self._is_held = False
        self._control(ClearPlayback(), "streamsrv.playback.clear")
        for response_id in sorted(self._started):
            self._outbox.send("output_audio_buffer.cleared", response_id=response_id)
        self._started.clear()

    def _control(self, effect: HoldPlayback | ResumePlayback | ClearPlayback, event_type: str) -> None:
        if self._held_by_transport:
            self._outbox.emit(effect)
        elif self._held_by_client:
            self._outbox.send(event_type)
