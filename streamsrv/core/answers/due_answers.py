"""Decides when the user's turns are answered, and whether an answer begins before a turn ends. Pure."""

from streamsrv.core.answers.responses import Responses
from streamsrv.core.effects import Effect
from streamsrv.core.latency import TurnLatency
from streamsrv.core.reading_ahead import ReadingAhead
from streamsrv.core.transcription import Transcriptions
from streamsrv.core.turns.decisions import TurnEnded
from streamsrv.core.turns.idle import IdleTimer
from streamsrv.core.turns.input_buffer import InputBuffer
from streamsrv.engines.asr.base import Transcript
from streamsrv.protocol.session_object import Session


class DueAnswers:
    """Tracks the user's turns that are not answered yet.

    One answer follows when all of them have their transcripts, nobody speaks and no other answer is in progress.
    `speculative`: answers may begin in the last pause of a turn.
    """

    def __init__(
        self,
        input_buffer: InputBuffer,
        transcriptions: Transcriptions,
        responses: Responses,
        idle: IdleTimer,
        *,
        speculative: bool,
    ) -> None:
        self._input = input_buffer
        self._transcriptions = transcriptions
        self._responses = responses
        self._idle = idle
        self._speculative = speculative
        self._item_ids: set[str] = set()
        self._turn_id = ""  # the item that the user's last turn became
        self.latency = TurnLatency()
        """The latencies of the user's last turn."""
        self._reading = ReadingAhead()
        self._is_repeated = False  # the turn is answered again, because the user seemed to go on, without words so far
        self.interrupted_unheard = False
        """Record that an answer was interrupted before it was heard, so that even a noise is answered."""

    def interrupt(self) -> None:
        """Interrupt the answer in progress, if there is one."""
        self.interrupted_unheard |= self._responses.is_active_unheard

    def resume_turn(self) -> None:
        """The turn that was being answered goes on: it is to be answered again, even if what follows is a noise.

        That is done once, lest the echo of each answer begins the next one.
        """
        self.interrupted_unheard = self.interrupted_unheard or not self._is_repeated
        self._is_repeated = True

    def end_turn(self, turn: TurnEnded, session: Session) -> None:
        """Record that the user's turn has ended; it is answered if the session's options say so."""
        self.latency, self._turn_id = turn.latency, turn.audio.item_id
        if _answers_turns(session):
            self._item_ids.add(turn.audio.item_id)

    def ask(self, item_id: str, session: Session) -> None:
        """Record an item that is to be answered like a turn of the user, but was not spoken."""
        if _answers_turns(session):
            self.latency = TurnLatency()
            self._item_ids.add(item_id)

    @property
    def waits(self) -> bool:
        """Whether an answer is to be given."""
        return bool(self._item_ids) or self._responses.owes_answer

    def waits_for(self, item_id: str) -> bool:
        """Whether this turn is to be answered."""
        return item_id in self._item_ids

    def settle(self, item_id: str, text: str, now_ms: int) -> None:
        """Record that the transcript of an item is final, or has failed and is empty."""
        self._is_repeated = self._is_repeated and not text
        if item_id == self._turn_id:
            self.latency.mark("transcript", now_ms)
        if item_id in self._item_ids and not text and not self.interrupted_unheard:
            self._item_ids.remove(item_id)  # a noise needs no answer
            self._idle.take_noise()

    @property
    def is_due(self) -> bool:
        """Whether an answer is due now."""
        ready = self._responses.owes_answer or self._item_ids
        ready = ready and self._item_ids.isdisjoint(self._transcriptions.pending)
        return bool(ready) and self._responses.active is None and not self._input.speaking

    def answered(self) -> None:
        """Record that a response answers all turns so far."""
        self._item_ids.clear()
        self.interrupted_unheard = False
        self.latency = TurnLatency()

    def give_up(self) -> None:
        """Drop the due answer, because it cannot be given."""
        self._item_ids.clear()
        self._responses.owes_answer = False

    def forget(self, item_id: str) -> None:
        """Forget an item that is deleted."""
        self._item_ids.discard(item_id)

    def speculate(self, transcript: Transcript, session: Session, now_ms: int) -> list[Effect]:
        """Begin a speculative answer to the words so far, if the user pauses and may be done; else have them read."""
        idle = self._responses.active is None and not self._transcriptions.pending
        if not (self._speculative and _answers_turns(session) and idle and transcript.text):
            return []
        if transcript.at_pause and self._input.pausing:
            return self._responses.speculations.begin(transcript.text, self._input.assign_item_id(), session, now_ms)
        return self._read(transcript.stable, session)

    def _read(self, stable: str, session: Session) -> list[Effect]:
        """Have the model read words that do not change any more."""
        item_id = self._input.assign_item_id()
        if not self._reading.is_due(item_id, stable):
            return []
        return self._responses.speculations.read_ahead(stable, item_id, session)

    def discard_stale_speculation(self) -> list[Effect]:
        """Discard a stale speculation: the user went on, or the turn was answered otherwise."""
        if self._responses.speculations.is_any and not self._input.pausing and not self._item_ids:
            return self._responses.speculations.discard()
        return []


def _answers_turns(session: Session) -> bool:
    detection = session.audio.input.turn_detection
    return detection is not None and detection.create_response and session.type == "realtime"
