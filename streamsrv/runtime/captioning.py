"""Publishes a session's captions in its caption room."""

from collections.abc import Callable

from msgspec import UnsetType

from streamsrv.captions.rooms import OpenRoom, Rooms
from streamsrv.core.effects import EnterRoom, SettleCaption, ShowCaption
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import CaptionReplacement
from streamsrv.text.replacements import Replacement


class Captioning:
    """Enters a session as a speaker in its caption room, if it has one, and shows its captions there.

    `refuse` is called with the error when a room cannot be entered.
    """

    def __init__(self, rooms: Rooms, speaker_id: str, refuse: Callable[[ProtocolError], None]) -> None:
        self._rooms = rooms
        self._speaker_id = speaker_id
        self._refuse = refuse
        self._entered: OpenRoom | None = None

    def enter(self, effect: EnterRoom) -> None:
        """Speak in this room from now on, and leave the one before."""
        options = effect.captions
        try:
            opened = None if options is None else self._rooms.open(options.room)
        except ProtocolError as error:
            self._refuse(error)
            return
        if opened is not self._entered:
            self.leave()
        if opened is not None and options is not None:
            self._entered = opened
            if not isinstance(options.replacements, UnsetType):
                opened.room.replace_words(map(_entry, options.replacements))
            opened.room.enter(self._speaker_id, options.speaker, options.title, is_paused=options.paused)
            opened.changed()

    def show(self, effect: ShowCaption) -> None:
        if self._entered is not None:
            self._entered.room.show(
                self._speaker_id,
                effect.item_id,
                effect.stable,
                effect.tentative,
                start_ms=effect.start_ms,
                audio_ms=effect.audio_ms,
                now_ms=self._rooms.clock_ms(),
                translated_to=effect.translated_to,
            )
            self._entered.changed()

    def settle(self, effect: SettleCaption) -> None:
        if self._entered is not None:
            item_id, utterance, audio_ms = effect.item_id, effect.utterance, effect.audio_ms
            self._entered.room.settle(self._speaker_id, item_id, utterance, audio_ms, self._rooms.clock_ms())
            self._entered.changed()

    def leave(self) -> None:
        """Leave the room, if the session is in one."""
        if self._entered is not None:
            self._entered.room.leave(self._speaker_id, self._rooms.clock_ms())
            self._entered.changed()
            self._entered = None


def _entry(given: CaptionReplacement) -> Replacement:
    return Replacement(given.source, given.to, given.match_case)
