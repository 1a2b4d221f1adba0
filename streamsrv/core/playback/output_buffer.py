"""The output audio buffer: plays, holds or drops answers, and tracks which words were heard. Pure."""

from collections.abc import Sequence

import numpy as np

from streamsrv.core.answers.spoken_message import SpokenMessage
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import ClearPlayback, Effect, HoldPlayback, ResumePlayback, send_event
from streamsrv.core.playback.envelope import ENVELOPE_MS, level_dbfs_of, resemblance
from streamsrv.core.playback.ledger import PlaybackLedger
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session

ECHO_DELAY_MS = 1000
"""Longest time from the estimated playback of audio to the arrival of its echo."""
WORD_MARGIN_MS = 1000
"""Largest error of a word's playback time: the start of playback and the position of the word are estimates."""
TRUNCATION_TOLERANCE_MS = 20
"""How far beyond the end of an item a client may truncate, because it counts in frames."""
HOLD_EVENTS = "playback.hold"
"""Name of the extension with which the client holds, resumes and clears its playback on request, and reports it."""


class OutputBuffer:
    """Keeps the ledger of each spoken item, and trims items of the conversation to the words that were heard.

    Playback is held by the transport (`held_by_transport`) or by a client that asked for `playback.hold`: these can
    hold and resume it, and report where it was cut off. A stock client plays what it gets.
    """

    def __init__(self, conversation: Conversation, *, held_by_transport: bool = False) -> None:
        self._conversation = conversation
        self._held_by_transport = held_by_transport
        self._held_by_client = False
        self._ledgers: dict[str, PlaybackLedger] = {}
        self._response_ids: dict[str, str] = {}  # by item, until its playback has ended
        self._out_of_band: set[str] = set()  # items that are not in the conversation
        self._playing: list[str] = []  # items to trim when the user speaks up, in the order in which they are played
        self._started: set[str] = set()  # responses that the transport has begun to play
        self._in_progress: set[str] = set()  # responses that may have more to play
        self._audible: list[PlaybackLedger] = []  # what plays, or did a short time ago, deleted or not
        self._deleted: set[str] = set()  # deleted items that may still be playing
        self._is_held = False

    def configure(self, session: Session) -> None:
        """Take the session's new options."""
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
        """The wall ms at which all audio sent so far, and not stopped, is played."""
        if not self._playing:  # asked for at every frame, and mostly so
            return 0
        return max(self._ledgers[item_id].play_until_ms for item_id in self._playing)

    def is_playing(self, now_ms: int) -> bool:
        return self._is_held or self.play_until_ms > now_ms

    @property
    def is_held(self) -> bool:
        """Whether playback is held."""
        return self._is_held

    @property
    def is_settled(self) -> bool:
        """Whether it is known how much was heard of all that was cut off."""
        if not self._held_by_transport:
            return True
        unended = [self._ledgers[item_id] for item_id in self._response_ids if item_id in self._ledgers]
        return not any(ledger.stopped and ledger.sent_ms for ledger in unended)

    def is_played(self, now_ms: int) -> bool:
        """Whether all audio so far was played: as the transport tells, or else as is estimated."""
        if not self._held_by_transport:
            return not self.is_playing(now_ms)
        return not any(item_id in self._response_ids and self._ledgers[item_id].sent_ms for item_id in self._playing)

    def may_echo(self, now_ms: int) -> bool:
        """Whether the microphone may pick up an echo of the playback now, counting the delay of an echo."""
        return self.is_playing(now_ms - ECHO_DELAY_MS)

    def words_played(self, from_ms: int, until_ms: int) -> str:
        """Return the words that may have been played between these wall times, which are estimated."""
        texts = [ledger.text_between(from_ms, until_ms, WORD_MARGIN_MS) for ledger in self._audible]
        return " ".join(filter(None, texts))

    def resemblance(self, heard_db: Sequence[float | None], until_ms: int) -> float | None:
        """How much the levels of what was heard until then (wall ms) rise and fall as what was played (1: alike).

        None: too little was heard or played to tell.
        """
        duration_ms = len(heard_db) * ENVELOPE_MS + ECHO_DELAY_MS
        found = (resemblance(heard_db, ledger.levels_before(until_ms, duration_ms)) for ledger in self._audible)
        return max((correlation for correlation in found if correlation is not None), default=None)

    def level_db(self, until_ms: int) -> float | None:
        """Return the level (dB of full scale) of the loudest frame played in the last second before then (wall ms)."""
        levels = [ledger.levels_before(until_ms, ECHO_DELAY_MS) for ledger in self._audible]
        return max((level_dbfs_of(float(np.max(each))) for each in levels if len(each)), default=None)

    def add(self, message: SpokenMessage, *, response_id: str, in_conversation: bool, now_ms: int) -> None:
        """Add a spoken item; a second call for the same item does nothing."""
        item_id = message.item.id
        if item_id in self._ledgers:
            return
        self._ledgers[item_id] = message.ledger
        self._response_ids[item_id] = response_id
        self._in_progress.add(response_id)
        if not in_conversation:
            self._out_of_band.add(item_id)
        else:
            message.ledger.play_after(self.play_until_ms)
            if self._is_held:
                message.ledger.hold(now_ms)
            self._playing = [i for i in self._playing if self._ledgers[i].play_until_ms > now_ms]
            self._playing.append(item_id)
            self._forget_silent(now_ms)
            self._audible.append(message.ledger)
            for silent_id in self._deleted.difference(self._playing):
                del self._ledgers[silent_id]
            self._deleted.intersection_update(self._playing)

    def _forget_silent(self, now_ms: int) -> None:
        for ledger in self._audible:
            if ledger.play_until_ms <= now_ms - ECHO_DELAY_MS:
                ledger.fall_silent()
        self._audible = [ledger for ledger in self._audible if ledger.play_until_ms > now_ms - ECHO_DELAY_MS]

    def hold(self, now_ms: int) -> list[Effect]:
        """Hold playback, if possible, because the user may want to interrupt."""
        if not self.can_hold or self._is_held:
            return []
        self._is_held = True
        for item_id in self._playing:
            self._ledgers[item_id].hold(now_ms)
        return self._control(HoldPlayback(), "streamsrv.playback.hold")

    def resume(self, now_ms: int) -> list[Effect]:
        """Continue held playback, because the user does not interrupt."""
        if not self._is_held:
            return []
        self._is_held = False
        for item_id in self._playing:
            self._ledgers[item_id].resume(now_ms)
        return self._control(ResumePlayback(), "streamsrv.playback.resume")

    def interrupt(self, now_ms: int, *, clears_all: bool = False) -> list[Effect]:
        """Stop playback, and trim the items that were played to the words that were heard.

        What is out-of-band is dropped only with the conversation's items, or if `clears_all`.
        """
        is_cleared = self.is_playing(now_ms) or (clears_all and bool(self._started))
        playing, self._playing = self._playing, []
        for item_id in playing:
            ledger = self._ledgers[item_id]
            if ledger.truncated_ms is None:
                self._trim_to_heard(item_id, ledger.played_ms(now_ms))
            ledger.stop(now_ms)
        return self._clear(now_ms) if is_cleared else []

    def check_clearable(self) -> None:
        """Raise `ProtocolError` if the client (not the server) holds playback."""
        if not self._held_by_transport:
            raise ProtocolError("invalid_value", "This event is only for WebRTC and telephone sessions.", "type")

    def truncate(self, item_id: str, audio_end_ms: int, now_ms: int) -> list[Effect]:
        """Cut an item off at `audio_end_ms` of its audio; raises `ProtocolError` if that is not possible."""
        ledger = None if item_id in self._deleted else self._ledgers.get(item_id)
        if ledger is None:
            raise ProtocolError(
                "item_truncate_invalid_item_id",
                f"Error: only spoken assistant messages can be truncated; '{item_id}' is not one.",
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
        self._trim_to_heard(item_id, audio_end_ms)
        return [send_event("conversation.item.truncated", item_id=item_id, content_index=0, audio_end_ms=audio_end_ms)]

    def is_unreported(self, item_id: str) -> bool:
        """Whether this is a spoken item whose playback has never been reported."""
        return item_id in self._ledgers and not self._ledgers[item_id].reported

    def report(self, item_id: str, audio_ms: int, now_ms: int) -> list[Effect]:
        """Record that the client has played `audio_ms` of an item by now."""
        ledger = self._ledgers.get(item_id)
        if ledger is None:
            return []
        ledger.report(audio_ms, now_ms)
        response_id = self._response_ids.get(item_id)
        if not self._held_by_transport or not response_id or response_id in self._started or ledger.stopped:
            return []
        self._started.add(response_id)
        return [send_event("output_audio_buffer.started", response_id=response_id)]

    def end(self, item_id: str, audio_ms: int, now_ms: int) -> list[Effect]:
        """Record the end of an item's playback at `audio_ms`: all of it was played, or it was cut off there."""
        response_id = self._response_ids.pop(item_id, None)
        if response_id is None:
            return []
        effects: list[Effect] = []
        ledger = self._ledgers.get(item_id)
        is_cut_off = ledger is not None and ledger.stopped and ledger.truncated_ms is None
        if ledger is not None and is_cut_off and item_id not in self._deleted | self._out_of_band:
            effects += self.truncate(item_id, min(audio_ms, ledger.sent_ms), now_ms)
        return [*effects, *self._tell_stopped(response_id)]

    def end_response(self, response_id: str) -> list[Effect]:
        """Record that a response has no more to play."""
        self._in_progress.discard(response_id)
        return self._tell_stopped(response_id)

    def _tell_stopped(self, response_id: str) -> list[Effect]:
        may_go_on = response_id in self._in_progress or response_id in self._response_ids.values()
        if response_id not in self._started or may_go_on:
            return []
        self._started.remove(response_id)
        return [send_event("output_audio_buffer.stopped", response_id=response_id)]

    def close(self, message: SpokenMessage, *, completed: bool) -> None:
        """Record that all audio of an item is sent."""
        ledger = message.ledger
        if ledger.truncated_ms is not None:
            self._trim_to_heard(message.item.id, ledger.truncated_ms)
        elif not completed:
            self._trim_to_heard(message.item.id, ledger.sent_ms)

    def forget(self, item_id: str) -> None:
        """Stop trimming an item that was deleted; it plays until it is stopped."""
        if item_id in self._playing:
            self._deleted.add(item_id)
        else:
            self._ledgers.pop(item_id, None)

    def _trim_to_heard(self, item_id: str, audio_ms: int) -> None:
        if item_id in self._ledgers and item_id not in self._deleted:
            self._conversation.set_transcript(item_id, self._ledgers[item_id].heard_text(audio_ms))

    def _clear(self, now_ms: int) -> list[Effect]:
        self._is_held = False
        for item_id in self._out_of_band.intersection(self._response_ids) if self.can_hold else ():
            self._ledgers[item_id].stop(now_ms)
        started, self._started = sorted(self._started), set[str]()
        cleared = [send_event("output_audio_buffer.cleared", response_id=response_id) for response_id in started]
        return [*self._control(ClearPlayback(), "streamsrv.playback.clear"), *cleared]

    def _control(self, effect: HoldPlayback | ResumePlayback | ClearPlayback, event_type: str) -> list[Effect]:
        """Control playback by an effect for the transport, or by an event for the client."""
        if self._held_by_transport:
            return [effect]
        return [send_event(event_type)] if self._held_by_client else []
