"""Has a streaming end-of-turn model hear each turn, and keeps what it says. Pure."""

from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import Effect, FollowTurn, LeaveTurn
from streamsrv.core.inputs import TurnScored


class FollowedTurn:
    """The turn, or what may become one, that the model hears from its beginning to its end."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._goes_on = False
        self.backchannel: float | None = None
        """How likely the speech of the turn is a backchannel; None: not judged."""

    def follow(self, goes_on: bool, began_ms: int) -> list[Effect]:
        """Tell the model if a turn began, at `began_ms` of the session's audio, or ended with this frame."""
        if goes_on == self._goes_on:
            return []
        self._goes_on, self.backchannel = goes_on, None
        return [FollowTurn(began_ms, self._conversation.last_words_of_agent)] if goes_on else [LeaveTurn()]

    def voice(self, scored: TurnScored, pause_from_ms: int | None) -> float | None:
        """Take a score; return how done the user sounds if it is one of the pause that began at `pause_from_ms`."""
        if not self._goes_on:
            return None
        self.backchannel = scored.backchannel
        return scored.voice if pause_from_ms is not None and scored.until_ms >= pause_from_ms else None
