"""Carries out what is decided about the user's turns: interrupts, commits audio, takes transcripts and keys. Pure."""

from collections.abc import Iterable

from streamsrv.core.answers.due_answers import DueAnswers
from streamsrv.core.answers.response import Response
from streamsrv.core.answers.responses import Responses
from streamsrv.core.calls.course import CallCourse
from streamsrv.core.client_items import announced
from streamsrv.core.collector import Collector
from streamsrv.core.conversation import Conversation
from streamsrv.core.early_ends import EarlyEnds
from streamsrv.core.effects import Effect, RecordTurnEnd
from streamsrv.core.inputs import DigitPressed
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.transcription import Transcriptions
from streamsrv.core.turns.decisions import TurnBegan, TurnChange, TurnDecision, TurnEnded
from streamsrv.core.turns.idle import IdleTimer
from streamsrv.core.turns.input_buffer import CommittedAudio, InputBuffer
from streamsrv.core.turns.turn_taking import TurnTaking
from streamsrv.engines.asr.base import Transcript
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.items import InputAudio, MessageItem
from streamsrv.protocol.session_object import Session


class UserTurns:
    """Turns audio and keys of the user into items of the conversation, which are then due for an answer."""

    def __init__(
        self,
        conversation: Conversation,
        input_buffer: InputBuffer,
        output_buffer: OutputBuffer,
        transcriptions: Transcriptions,
        responses: Responses,
        turns: TurnTaking,
        idle: IdleTimer,
        due: DueAnswers,
        course: CallCourse,
    ) -> None:
        self._conversation = conversation
        self._input = input_buffer
        self._output = output_buffer
        self._transcriptions = transcriptions
        self._responses = responses
        self._turns = turns
        self._idle = idle
        self._due = due
        self._course = course
        self._early_ends = EarlyEnds(conversation, input_buffer, responses)
        self._effects = Collector()

    def carry_out(self, decisions: Iterable[TurnDecision], session: Session, now_ms: int) -> list[Effect]:
        """Carry out what was decided about turns. A turn that does not fit in the conversation is an error event."""
        for decision in decisions:
            if not isinstance(decision, TurnBegan | TurnEnded):
                self._effects.emit(decision)
                continue
            try:
                self._change_turn(decision, session, now_ms)
            except ProtocolError as error:
                self._refuse(error)
        return self._effects.take()

    def press(self, pressed: DigitPressed, session: Session, now_ms: int) -> list[Effect]:
        """Take a key of the telephone, which interrupts as speech does."""
        fields = {"event": pressed.digit, "received_at": pressed.at_s}
        self._effects.send("input_audio_buffer.dtmf_event_received", **fields)
        self._interrupt(session, now_ms)
        try:
            self._effects.add(self._course.press(pressed.digit, session, now_ms))
        except ProtocolError as error:
            self._refuse(error)
        return self._effects.take()

    def commit(self, audio: CommittedAudio, session: Session, now_ms: int) -> list[Effect]:
        """Add audio that left the buffer to the conversation; raises `ProtocolError`, and then does nothing."""
        self._commit(audio, session, now_ms)
        return self._effects.take()

    def _commit(self, audio: CommittedAudio, session: Session, now_ms: int) -> None:
        item = MessageItem(id=audio.item_id, role="user", content=[InputAudio()])
        self._conversation.check_addition(item)
        previous_id = self._conversation.add(item)
        self._effects.send("input_audio_buffer.committed", previous_item_id=previous_id, item_id=item.id)
        self._effects.add(announced(item, previous_id))
        self._effects.add(self._transcriptions.commit(audio))
        if (message := self._transcriptions.early_failure(item.id)) is not None:
            self._fail_transcript(item.id, message, session, now_ms)
        elif not audio.recognized:
            self._take_transcript(item.id, Transcript("", is_final=True), session, now_ms)

    def take_transcript(self, item_id: str, transcript: Transcript, session: Session, now_ms: int) -> list[Effect]:
        """Take what was recognised of a turn, or of the audio in the buffer."""
        self._take_transcript(item_id, transcript, session, now_ms)
        return self._effects.take()

    def fail_transcript(self, item_id: str, message: str, session: Session, now_ms: int) -> list[Effect]:
        """Record that an item will have no transcript."""
        self._fail_transcript(item_id, message, session, now_ms)
        return self._effects.take()

    def _refuse(self, error: ProtocolError) -> None:
        """What the user said does not fit in the conversation: tell the client, and answer nothing."""
        self._due.give_up()
        self._effects.send("error", error={**error.details.to_wire(), "event_id": None})

    def _change_turn(self, change: TurnChange, session: Session, now_ms: int) -> None:
        match change:
            case TurnBegan():
                self._begin_turn(change, session, now_ms)
            case TurnEnded():
                turn_ended_ms = change.latency.latencies()["turn_ended_ms"]
                self._effects.emit(RecordTurnEnd(turn_ended_ms))
                self._course.end_turn(now_ms - turn_ended_ms, now_ms)
                self._due.end_turn(change, session)
                self._commit(change.audio, session, now_ms)

    def _begin_turn(self, began: TurnBegan, session: Session, now_ms: int) -> None:
        self._effects.add(self._course.begin_turn())
        reply, may_interrupt, is_wordless = None, self._may_interrupt(session), not began.heard.text
        if began.resumes is not None and self._early_ends.is_one(
            began.resumes, may_interrupt, is_wordless=is_wordless, now_ms=now_ms
        ):
            self._effects.add(self._early_ends.undo(began.resumes, session))
            reply = self._responses.reply_to(began.resumes.item_id)
        else:
            self._responses.speculations.begin_turn()
        self._interrupt(session, now_ms, reply)
        if began.heard.text and not self._course.is_over:
            self._effects.add(self._due.speculate(began.heard, session, now_ms))

    def _may_interrupt(self, session: Session) -> bool:
        detection = session.audio.input.turn_detection
        return detection is not None and detection.interrupt_response and not self._course.holds_floor

    def _interrupt(self, session: Session, now_ms: int, false_reply: Response | None = None) -> None:
        """Stop answering, if the session's options say so."""
        self._effects.add(self._idle.stop())
        if self._may_interrupt(session):
            self._due.interrupt()
            if false_reply is not None:
                self._due.resume_turn()
            self._effects.add(self._responses.interrupt(now_ms, false_reply))
        else:
            self._effects.add(self._output.resume(now_ms))

    def _take_transcript(self, item_id: str, transcript: Transcript, session: Session, now_ms: int) -> None:
        if transcript.is_final and item_id in self._transcriptions.pending:
            self._effects.add(self._transcriptions.take_final(item_id, transcript))
            self._settle(item_id, transcript.text, now_ms)
        elif self._input.holds(item_id):
            self._effects.add(self._turns.take(transcript))
            if not self._turns.is_undecided:
                self._effects.add(self._transcriptions.take_interim(item_id, transcript))
                if not self._course.is_over:
                    self._effects.add(self._due.speculate(transcript, session, now_ms))

    def _fail_transcript(self, item_id: str, message: str, session: Session, now_ms: int) -> None:
        is_pending, was_due = item_id in self._transcriptions.pending, self._due.waits_for(item_id)
        self._effects.add(self._transcriptions.fail(item_id, message))
        if is_pending:
            self._settle(item_id, "", now_ms)
        if was_due:
            self._effects.add(self._course.apologize(session, now_ms))

    def _settle(self, item_id: str, text: str, now_ms: int) -> None:
        """The transcript of an item is final, or has failed."""
        self._conversation.set_transcript(item_id, text)
        self._course.take_words(text)
        self._due.settle(item_id, text, now_ms)
        self._effects.add(self._responses.start_ready(self._transcriptions.pending, now_ms))
