"""Has the recogniser of a session loaded, and tells the client while it waits for it. Pure."""

from streamsrv.core.effects import Effect, PrepareRecognizer, send_event
from streamsrv.core.inputs import LoadingState, RecognizerPrepared
from streamsrv.core.turns.input_buffer import chosen_model
from streamsrv.protocol.session_object import Session

LOADING_EVENTS = "recognizer.loading"
"""Name under which a client asks for `streamsrv.recognizer.loading`, `.ready` and `.failed`."""


class RecognizerLoading:
    """Follows the recogniser that a session has chosen until it is loaded."""

    def __init__(self) -> None:
        self._model = ""
        self._state: LoadingState | None = "ready"  # None: not known yet
        self._told: tuple[str, LoadingState] = ("", "ready")

    def configure(self, session: Session) -> list[Effect]:
        """The session's options are these now: have its recogniser loaded as soon as it is chosen."""
        model = chosen_model(session.audio.input)
        if model == self._model:
            return self._tell(session)
        self._model, self._state = model, None
        return [PrepareRecognizer(model)]

    def take(self, prepared: RecognizerPrepared, session: Session) -> list[Effect]:
        """Take how far the loading is."""
        if prepared.model != self._model:
            return []
        self._state = prepared.state
        return self._tell(session, prepared.message)

    def _tell(self, session: Session, message: str = "") -> list[Effect]:
        """Tell the client what it was not told, if it asked for that. It expects a recogniser to be ready."""
        state, (told_model, told_state) = self._state, self._told
        is_told = state == told_state and (state == "ready" or self._model == told_model)
        if state is None or is_told or not session.wants(LOADING_EVENTS):
            return []
        self._told = (self._model, state)
        error = {"type": "server_error", "code": "recognizer_unavailable", "message": message, "param": None}
        fields = {"error": error} if state == "failed" else {}
        return [send_event(f"streamsrv.recognizer.{state}", model=self._model, **fields)]
