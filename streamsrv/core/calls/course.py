"""The course of a telephone call: its greeting, keys, silences and end, as the operator wants them. Pure."""

from collections.abc import Callable

from streamsrv.core.answers.due_answers import DueAnswers
from streamsrv.core.answers.responses import Responses
from streamsrv.core.call_rules import CallRules
from streamsrv.core.calls.keypad import Keypad
from streamsrv.core.calls.leaving import Leaving
from streamsrv.core.calls.silence import CallerSilence
from streamsrv.core.calls.waiting_sound import WaitingSound
from streamsrv.core.client_items import announced
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import ClearTimer, Close, Effect, SetTimer
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.timers import CallEnding, CallerSilent, KeysPause, LeavingDue, TimerKey, WaitingSoundDue
from streamsrv.core.transcription import Transcriptions
from streamsrv.core.turns.input_buffer import InputBuffer
from streamsrv.protocol.items import InputText, MessageItem
from streamsrv.protocol.session_object import Session

MAX_NOTICE_MS = 16_000
"""How long before its longest duration a call is ended as soon as nobody speaks; half of the duration at most."""
CUT_MS = 250
"""How long an entry waits until the transport has told what was heard of the reply that its keys have cut off."""
CALL_OVER = (1000, "The call has ended.")
"""The WebSocket close code and reason of a session whose call has ended."""
SILENCE = "The caller said nothing."
DURATION = "The call has lasted for as long as it may."


class CallCourse:
    """Decides what a session does because it is a telephone call; without `rules` it is none, and nothing is done.

    `max_ms`: the longest duration of the session; 0: any. `apology`: said to callers who could not be understood.
    """

    def __init__(
        self,
        rules: CallRules | None,
        conversation: Conversation,
        input_buffer: InputBuffer,
        transcriptions: Transcriptions,
        responses: Responses,
        output_buffer: OutputBuffer,
        due: DueAnswers,
        new_id: Callable[[str], str],
        max_ms: int,
        apology: str = "",
    ) -> None:
        self.is_call = rules is not None
        """Whether the session runs in a telephone call."""
        rules = rules or CallRules()
        self._rules = rules
        self._conversation = conversation
        self._input = input_buffer
        self._transcriptions = transcriptions
        self._responses = responses
        self._output = output_buffer
        self._due = due
        self._new_id = new_id
        self._max_ms = max_ms
        self._notice_ms = min(MAX_NOTICE_MS, max_ms // 2)
        self._apology = apology
        self._line_dropped = False
        self._is_closed = False
        self._must_end = False  # as soon as nobody speaks
        self._keypad = Keypad(rules.digits_pause_ms)
        self._leaving = Leaving(rules, responses, output_buffer)
        self._silence = CallerSilence(rules, input_buffer, output_buffer)
        self._sound = WaitingSound(rules.waiting_after_ms, output_buffer)

    @property
    def is_over(self) -> bool:
        """Whether the call was ended: nothing is answered any more."""
        return self._leaving.is_over

    @property
    def holds_floor(self) -> bool:
        """Whether the caller cannot interrupt, because the call is about to end whatever they do."""
        return self._leaving.holds_floor

    def start(self, session: Session, now_ms: int) -> list[Effect]:
        """Greet the caller."""
        if not self._converses(session):
            return []
        effects: list[Effect] = []
        if self._max_ms:
            effects.append(SetTimer(CallEnding(), self._max_ms - self._notice_ms))
        if self._rules.greeting.strip():
            effects += self._say(self._rules.greeting, "greeting", session, now_ms)
        return [*effects, *self.watch(session, now_ms)]

    def press(self, key: str, session: Session, now_ms: int) -> list[Effect]:
        """Take a key of the caller's telephone."""
        if not self._converses(session) or self.is_over:
            return []
        self._silence.end()
        effects = self._leaving.caller_spoke()
        is_complete = self._keypad.press(key, now_ms)
        if is_complete and self._output.is_settled:
            return [*effects, *self._enter(session, now_ms)]
        return [*effects, SetTimer(KeysPause(), CUT_MS if is_complete else self._rules.digits_pause_ms)]

    def drop_line(self, now_ms: int) -> list[Effect]:
        """The caller is gone: answer nothing more, and close the session once all that was said is written."""
        self._line_dropped = True
        return [
            *self._leaving.drop_line(now_ms),
            *self._responses.cancel_all(now_ms),
            *self._output.interrupt(now_ms, clears_all=True),
        ]

    def _close_if_complete(self) -> list[Effect]:
        """Close the session when every turn has its transcript, and it is known what was heard of each reply."""
        if self._is_closed or self._transcriptions.pending or not self._output.is_settled:
            return []
        self._is_closed = True
        return [Close(*CALL_OVER)]

    def _enter(self, session: Session, now_ms: int) -> list[Effect]:
        """Give the keys to the language model, as if the caller had said them. Raises `ProtocolError`."""
        item = MessageItem(id=self._new_id("item"), role="user", content=[InputText(self._keypad.take(now_ms))])
        item.status = "completed"
        self._conversation.check_addition(item)
        previous_id = self._conversation.add(item)
        self._due.ask(item.id, session)
        if not self._sound.is_awaited:
            self._sound.end_turn(now_ms, now_ms)
        return [ClearTimer(KeysPause()), *announced(item, previous_id)]

    def begin_turn(self) -> list[Effect]:
        """The caller speaks."""
        return self._leaving.caller_spoke()

    def end_turn(self, speech_ended_ms: int, now_ms: int) -> None:
        """The caller is done."""
        self._sound.end_turn(speech_ended_ms, now_ms)

    def take_words(self, text: str) -> None:
        """Take the final transcript of a turn."""
        if text:
            self._silence.end()

    def apologize(self, session: Session, now_ms: int) -> list[Effect]:
        """Tell the caller that what they said could not be recognised: they see no error."""
        can_speak = self._responses.active is None and not self._input.speaking and not self._leaving.is_leaving
        if not self._converses(session) or not can_speak or not self._apology.strip():
            return []
        return self._say(self._apology, "apology", session, now_ms)

    def transfer_failed(self, message: str, now_ms: int) -> list[Effect]:
        """Tell the language model that the call could not be transferred."""
        return self._leaving.transfer_failed(message, now_ms)

    def time_out(self, key: TimerKey, session: Session, now_ms: int) -> list[Effect]:
        """A timer fired. Raises `ProtocolError`."""
        if self.is_over:
            return []
        match key:
            case KeysPause() if not self._keypad.is_empty:
                return self._enter(session, now_ms)
            case CallerSilent() if not self._is_busy:
                return self._break_silence(session, now_ms)
            case LeavingDue():
                return self._leaving.time_out(now_ms)
            case WaitingSoundDue():
                self._sound.fire()
            case CallEnding() if self._must_end:
                return self._leaving.say_goodbye(DURATION, session, now_ms, is_final=True)
            case CallEnding():
                self._must_end = True
                return [SetTimer(CallEnding(), self._notice_ms // 2)]
            case _:
                pass
        return []

    def go_on(self, session: Session, now_ms: int) -> list[Effect]:
        """Leave the call if it is time; to be called after every input, before anything is answered."""
        if not self._converses(session):
            return []
        effects = self._leaving.watch(now_ms)
        is_quiet = not self._is_busy and not self._output.is_playing(now_ms)
        if self._must_end and is_quiet and not self._leaving.is_leaving:
            effects += self._leaving.say_goodbye(DURATION, session, now_ms, is_final=True)
        return effects

    def watch(self, session: Session, now_ms: int) -> list[Effect]:
        """Follow who is silent; to be called after every input, when what is due was answered."""
        if self._line_dropped:
            return self._close_if_complete()
        if not self._converses(session):
            return []
        detects = session.audio.input.turn_detection is not None
        effects = self._silence.watch(now_ms, is_busy=self._is_busy or self._leaving.is_leaving or not detects)
        is_heard = self._input.speaking and self._input.announced  # else it is not certain whether the caller speaks
        is_waited_for = self._is_answer_due and not is_heard and not self._leaving.is_hanging_up
        return [*effects, *self._sound.watch(now_ms, is_waited_for=is_waited_for)]

    def _converses(self, session: Session) -> bool:
        return self.is_call and session.type == "realtime"

    @property
    def _is_answer_due(self) -> bool:
        """Whether the caller waits for the server, or for the application."""
        wait = self._responses.tool_wait
        return (
            self._responses.active is not None
            or bool(self._transcriptions.pending)
            or self._due.waits
            or (wait is not None and not wait.is_over(self._conversation))
        )

    @property
    def _is_busy(self) -> bool:
        """Whether it is not the caller who has to say something."""
        return self._is_answer_due or self._input.speaking or not self._keypad.is_empty

    def _say(self, text: str, kind: str, session: Session, now_ms: int) -> list[Effect]:
        return self._responses.announce(text, kind, session, now_ms)[1]

    def _break_silence(self, session: Session, now_ms: int) -> list[Effect]:
        due = self._silence.fire(now_ms)
        if due is None:
            return self._leaving.say_goodbye(SILENCE, session, now_ms)
        return self._say(due, "silence_prompt", session, now_ms) if isinstance(due, str) else due
