"""Turn taking: who speaks, from voice activity, words and what is being played. Pure."""

from collections import deque
from dataclasses import replace

from streamsrv.core.answers.responses import Responses
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import ClearTimer, Effect, JudgeWords, PredictEndOfTurn, ReadWords, SetFramePacing, SetTimer
from streamsrv.core.inputs import EndOfTurnPredicted, FrameHeard, TurnScored, WordsJudged
from streamsrv.core.latency import EndingPause, TurnLatency
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.reading_ahead import ReadingAhead
from streamsrv.core.recognition import recognition_options
from streamsrv.core.timers import MicrophoneTimeout
from streamsrv.core.turns.barge_in import ECHO_OUTLASTS_HOLD_MS, Overlap, Verdict, classify
from streamsrv.core.turns.decisions import TurnBegan, TurnDecision, TurnEnded
from streamsrv.core.turns.detector import SpeechStarted
from streamsrv.core.turns.endpointing import Evidence, ends_caption, pause_limit_ms
from streamsrv.core.turns.followed_turn import FollowedTurn
from streamsrv.core.turns.input_buffer import CommittedAudio, InputBuffer
from streamsrv.core.turns.loudness import Loudness
from streamsrv.core.turns.microphone import Microphone
from streamsrv.core.turns.resuming import Resuming
from streamsrv.core.turns.speaker_pace import SpeakerPace
from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.vad.base import FRAME_MS
from streamsrv.protocol.session_object import AudioInput, SemanticVad, Session

MAX_FALSE_HOLDS = 3
"""After so many false interruptions since the last turn a reply is not held any more: an echo would make it stutter."""
IMMEDIATE_MS = 2000
"""Each frame is still processed at once for so long after speech and answers: users often go on."""
ECHO_MS = 500
"""What is heard now of a reply was played so long ago at most, but for the uncertainty of when it is played."""
BEGAN_AFTER_MS = 100
"""Speech that begins so long after a reply's end is no echo of it."""
CANDIDATE_PAUSE_MS = 2000
"""Speech over a reply ends a turn after no shorter pause, while its words are not known."""
MAX_COMPARED_FRAMES = 64
"""Frames of speech whose levels are compared with the reply's: two seconds."""
MIN_JUDGING_MS = 100
"""Shortest rest of a pause in which words are judged: that takes about as long, and its CPU time delays the reply."""
MIN_PREDICTION_PAUSE_MS = 64
"""The end-of-turn model is asked in a pause of this length; longer pauses do not improve its result."""


class TurnTaking:
    """Decides who speaks, from the input buffer and from what is being answered.

    With `semantic_vad`, speech during a reply is first a candidate for a turn, of which the client is not told: a
    backchannel, a noise or an echo does not become one. Meanwhile the reply is held where that is possible. With
    `server_vad` all speech is a turn at once, as its clients expect.
    """

    def __init__(
        self,
        conversation: Conversation,
        input_buffer: InputBuffer,
        responses: Responses,
        output_buffer: OutputBuffer,
        microphone: Microphone,
        *,
        is_telephone: bool = False,
    ) -> None:
        self._input = input_buffer
        self._microphone = microphone
        self._is_telephone = is_telephone  # so an echo is softer than the reply: no loudspeaker is near the microphone
        self._responses = responses
        self._output = output_buffer
        self._loudness = Loudness()
        self._resuming = Resuming()
        self._options = AudioInput()
        self._language: str | None = None  # of transcripts whose recogniser does not tell it; None: not known
        self._captioned = False  # turns must not last minutes, as viewers get final text when they end
        self._candidate: Transcript | None = None  # what was recognised of speech that may be an interruption
        self._began_ms = 0  # when the turn or the candidate began; wall time
        self._levels_db: deque[float | None] = deque(maxlen=MAX_COMPARED_FRAMES)
        self._speech_at_hold_ms: int | None = None  # how much of it came before the reply was held
        self._false_holds = 0  # since the last turn
        self._is_soft = False  # whether all of the speech so far was no louder than the echo
        self._evidence = Evidence()  # on whether the pause that is going on is the end of the turn
        self._pause = 0  # the number of the last pause that was shown to the end-of-turn model
        self._pause_ms = 0
        self._followed = FollowedTurn(conversation)
        self._reading = ReadingAhead()
        self._heard_ms = 0
        self._limit_ms: int | None = None  # of that pause; None: that of the client's options
        self._pace = SpeakerPace()
        self._immediate = True
        self._eventful_ms = 0  # the last frame with speech in it, or near an answer
        self._last_speech_ms = 0  # wall time

    def configure(self, session: Session) -> None:
        self._options = session.audio.input
        self._language = recognition_options(session).language
        self._captioned = session.captions is not None and session.type == "transcription"

    @property
    def is_undecided(self) -> bool:
        """Whether there is a candidate: speech that is not announced to the client until it is found to be a turn."""
        return self._candidate is not None

    def hear(self, frame: FrameHeard, now_ms: int) -> list[TurnDecision]:
        """Take a frame; return its effects, then what changed."""
        self._heard_ms = frame.until_ms
        decided = self._hear(frame, now_ms)
        is_turn = self._input.speaking and self._is_semantic
        decided += self._followed.follow(is_turn, frame.until_ms - self._input.pause_ms - self._input.speech_ms)
        return [*self._pace_frames(frame.until_ms, now_ms), *decided]

    def _hear(self, frame: FrameHeard, now_ms: int) -> list[TurnDecision]:
        heard_ms = now_ms - (self._input.received_ms - frame.until_ms)  # when it was recorded, had it come at once
        is_echo = self._loudness.is_echo(frame.level_db, self._reply_db(heard_ms))
        effects = [] if is_echo else self._let_join_in(frame, now_ms)
        before = self._input.speaking or self._input.beginning
        heard, change = self._input.hear(frame.probability, frame.until_ms)
        effects += heard
        if self._input.speech:
            self._is_soft = is_echo and (self._is_soft or not before)
        self._levels_db.append(frame.level_db)
        if self._input.speech:
            self._last_speech_ms = now_ms
            self._loudness.hear(frame.level_db)
        effects += self._follow_pause()
        if self._input.beginning or isinstance(change, SpeechStarted):
            effects += [] if is_echo else self._hold(now_ms)
        elif self._held_at_onset:
            effects += self._forget_click(now_ms, heard_ms)
        match change:
            case SpeechStarted():
                return [*effects, *self._start(now_ms, heard_ms)]
            case CommittedAudio():
                return [*effects, *self._end(change, now_ms)]
            case None:
                return [*effects, *self._classify_candidate(now_ms, heard_ms)]

    def take(self, transcript: Transcript) -> list[Effect]:
        """Take what was recognised of the turn so far; have its words read, and in a pause judged."""
        if self._candidate is not None:
            self._candidate = transcript
        is_judged = self._evidence.words is not None and transcript.text == self._evidence.text
        heard = replace(
            self._evidence,
            text=transcript.text,
            at_pause=transcript.at_pause,
            words=self._evidence.words if is_judged else None,
            # Before the recogniser has heard the pause, its judgement is one on the words before.
            recognizer_probability=transcript.end_of_turn if transcript.at_pause else None,
        )
        self._consider(heard)
        if is_judged or not (self._is_semantic and transcript.text):
            return []
        if not (self._input.pausing and transcript.at_pause):
            return self._read_ahead(transcript)
        if self._limit_ms is not None and self._limit_ms - self._input.pause_ms < MIN_JUDGING_MS:
            return []  # the turn ends before the answer, which would only delay the reply
        return [JudgeWords(self._input.assign_item_id(), transcript.text, self._language_of(transcript))]

    def _read_ahead(self, transcript: Transcript) -> list[Effect]:
        if self._candidate is not None or not self._reading.is_due(self._input.assign_item_id(), transcript.stable):
            return []
        return [ReadWords(transcript.stable, self._language_of(transcript))]

    def _language_of(self, transcript: Transcript) -> str | None:
        return self._input.recognition_options.translated_to or transcript.language or self._language

    def take_judgement(self, judged: EndOfTurnPredicted | TurnScored | WordsJudged) -> None:
        """Take what a model says of the pause, unless it says it of an earlier pause or of other words."""
        match judged:
            case EndOfTurnPredicted(_, pause, voice) if pause == self._pause and self._input.pausing:
                self._consider(replace(self._evidence, voice=voice))
            case TurnScored():
                heard_ms = self._heard_ms - self._input.pause_ms + MIN_PREDICTION_PAUSE_MS
                if (voice := self._followed.voice(judged, heard_ms if self._input.pausing else None)) is not None:
                    self._consider(replace(self._evidence, voice=voice))
            case WordsJudged(_, text, ending) if text == self._evidence.text and self._evidence.at_pause:
                self._consider(replace(self._evidence, words=ending))
            case _:
                pass

    def drop_candidate(self, now_ms: int) -> list[Effect]:
        """The candidate was taken out of the buffer, or turn detection was turned off."""
        self._resuming.forget()
        return self._drop_candidate(now_ms)

    def _drop_candidate(self, now_ms: int) -> list[Effect]:
        if self._candidate is None and not self._held_at_onset:
            return []
        self._candidate = self._speech_at_hold_ms = None
        self._loudness.discard()
        return self._output.resume(now_ms)

    def check_microphone(self, now_ms: int) -> list[TurnDecision]:
        """The microphone timer fired: end the turn if the microphone is muted, as audio time then stands still."""
        if not self._input.speaking and not self._held_at_onset:
            return []
        if self._microphone.muted_in_ms(now_ms):
            return [self._watch_microphone(now_ms)]
        if self._held_at_onset:
            return [*self._forget_click(now_ms, now_ms)]
        return self.cut_off(now_ms)

    def cut_off(self, now_ms: int) -> list[TurnDecision]:
        """End the turn, if there is one, because no more audio comes."""
        if not self._input.speaking:
            return []
        effects, audio = self._input.cut_off()
        self._limit_ms = None  # no pause was long enough
        return [*effects, *self._end(audio, now_ms)]

    def _watch_microphone(self, now_ms: int) -> SetTimer:
        return SetTimer(MicrophoneTimeout(), self._microphone.muted_in_ms(now_ms))

    def _follow_pause(self) -> list[Effect]:
        """Track the pauses of a turn: start the evidence on each anew, and ask the end-of-turn model."""
        effects: list[Effect] = []
        before_ms = self._pause_ms
        self._pause_ms = self._input.pause_ms if self._input.speaking else 0
        if self._input.speaking:
            self._pace.follow(self._pause_ms, before_ms, speaks=not self._input.pausing)
        if self._pause_ms == 0 and before_ms and self._input.speaking:
            self._evidence, self._limit_ms = Evidence(self._evidence.text), None
        elif before_ms < MIN_PREDICTION_PAUSE_MS <= self._pause_ms and self._is_semantic:
            self._pause += 1
            self._consider(self._evidence)
            item_id = self._input.assign_item_id()
            effects.append(PredictEndOfTurn(item_id, self._input.heard_from_ms, self._pause))
        if self._captioned and self._pause_ms and ends_caption(self._input.speech_ms, self._pause_ms):
            self._input.wait(0)
        return effects

    def _consider(self, evidence: Evidence) -> None:
        """With `semantic_vad`, set how long the pause may last from the evidence on it."""
        self._evidence = evidence
        detection = self._options.turn_detection
        if isinstance(detection, SemanticVad) and self._input.pausing:
            limit_ms = pause_limit_ms(evidence, detection.eagerness, self._pace.factor)
            self._limit_ms = limit_ms if self._candidate is None else max(limit_ms, CANDIDATE_PAUSE_MS)
            self._input.wait(self._limit_ms)

    @property
    def _is_semantic(self) -> bool:
        return isinstance(self._options.turn_detection, SemanticVad)

    @property
    def _may_interrupt(self) -> bool:
        detection = self._options.turn_detection
        return isinstance(detection, SemanticVad) and detection.interrupt_response

    @property
    def _held_at_onset(self) -> bool:
        """Whether the reply is held for a frame that may be the first of a turn."""
        return self._speech_at_hold_ms is not None and self._candidate is None

    def _hold(self, now_ms: int) -> list[Effect]:
        """Hold the reply at the first frame of what may be an interruption: that is cheap, and undone after a click."""
        if self._speech_at_hold_ms is not None or not self._may_hold(now_ms):
            return []
        self._speech_at_hold_ms = self._input.speech_ms
        return [*self._output.hold(now_ms), self._watch_microphone(now_ms)]

    def _may_hold(self, now_ms: int) -> bool:
        may_hold = self._output.can_hold and self._false_holds < MAX_FALSE_HOLDS
        return self._may_interrupt and may_hold and self._is_answering(now_ms)

    def _let_join_in(self, frame: FrameHeard, now_ms: int) -> list[Effect]:
        """Begin the candidate anew with a frame that is louder than the echo which it was so far: somebody joins in."""
        is_loud = frame.level_db is not None and frame.probability >= self._input.threshold
        was_echo = self._candidate is not None and self._speech_at_hold_ms is None and self._loudness.knows_echo
        if not is_loud or not was_echo or not self._may_hold(now_ms):
            return []
        self._candidate = None
        self._loudness.discard()
        return [*self._input.begin_anew(), ClearTimer(MicrophoneTimeout())]

    @property
    def _over_echo_db(self) -> float | None:
        """How much louder than the echo the candidate is; None: the reply is held to find out, or it is unknown."""
        if self._false_holds >= MAX_FALSE_HOLDS:
            return self._loudness.over_echo_db
        return 0.0 if self._is_soft and self._speech_at_hold_ms is None else None

    def _reply_db(self, heard_ms: int) -> float | None:
        """The level of the loudest part of the reply whose echo may be heard now."""
        return self._output.level_db(heard_ms) if self._output.may_echo(heard_ms) else None

    def _forget_click(self, now_ms: int, heard_ms: int) -> list[Effect]:
        """The reply was held for a frame that did not begin a turn."""
        self._false_holds += 1
        self._loudness.end_echo(self._reply_db(heard_ms))
        return [*self._drop_candidate(now_ms), ClearTimer(MicrophoneTimeout())]

    def _pace_frames(self, until_ms: int, now_ms: int) -> list[Effect]:
        """Let frames be processed a few together while none can end a pause or interrupt an answer."""
        if self._input.speech or self._input.recognizing or self._may_overlap(now_ms):
            self._eventful_ms = until_ms
        immediate = until_ms - self._eventful_ms < IMMEDIATE_MS
        if immediate == self._immediate:
            return []
        self._immediate = immediate
        return [SetFramePacing(immediate)]

    def _resembles_reply(self, heard_ms: int) -> float | None:
        """How much the speech of the candidate sounds like the reply; None: it is not known yet."""
        frames = min(self._input.speech_ms // FRAME_MS, len(self._levels_db))
        return self._output.resemblance(list(self._levels_db)[len(self._levels_db) - frames :], heard_ms)

    def _goes_on(self, now_ms: int, heard_ms: int) -> bool:
        """Whether the candidate resumes the last turn, and stops a reply that cannot be held until words decide.

        Once some of the reply was played, its echo may be as loud as the user, so that only words tell them apart.
        """
        if not self._may_interrupt or self._output.can_hold or self._input.pause_ms or not self._is_answering(now_ms):
            return False
        return self._reply_db(heard_ms) is None and self._resuming.interrupts(self._input, self._began_ms)

    def _is_answering(self, now_ms: int) -> bool:
        return self._responses.active is not None or self._output.is_playing(now_ms)

    def _may_overlap(self, now_ms: int) -> bool:
        return self._responses.active is not None or self._output.may_echo(now_ms)

    def _start(self, now_ms: int, heard_ms: int) -> list[TurnDecision]:
        """The first speech of what is a turn, or may become one."""
        self._evidence, self._limit_ms = Evidence(), None
        self._began_ms = heard_ms - self._input.speech_ms
        timer = self._watch_microphone(now_ms)
        if self._is_semantic and self._may_overlap(heard_ms):
            self._candidate = Transcript("")
            return [timer]
        return [timer, *self._begin()]

    def _begin(self) -> list[TurnDecision]:
        was_candidate, heard = self._candidate is not None, self._candidate or Transcript("")
        self._candidate = self._speech_at_hold_ms = None
        if was_candidate:
            self._consider(self._evidence)
        self._false_holds = 0
        self._pace.begin_turn(self._began_ms)
        resumes = self._resuming.resumption(self._input.speech_began_ms, self._began_ms)
        return [*self._input.announce(), TurnBegan(resumes, heard)]

    def _end(self, audio: CommittedAudio, now_ms: int) -> list[TurnDecision]:
        began = self._begin() if self._candidate is not None else []
        self._resuming.end_turn(audio, self._input.last_speech_ms, now_ms)
        self._loudness.end_turn()
        limit_ms, evidence = self._limit_ms, self._evidence
        judged = (evidence.voice, evidence.words, evidence.recognizer_probability)
        ending = None if limit_ms is None else EndingPause(limit_ms, self._pace.factor, *judged)
        self._pace.end_turn(self._input.speech_ms, self._last_speech_ms, now_ms)
        latency = TurnLatency(audio.item_id, ending)
        latency.mark("speech_ended", self._last_speech_ms)
        latency.mark("turn_ended", now_ms)
        return [ClearTimer(MicrophoneTimeout()), *began, TurnEnded(audio, latency)]

    def _classify_candidate(self, now_ms: int, heard_ms: int) -> list[TurnDecision]:
        """Decide, if there is a candidate, whether it is a turn: yes, no, or not yet."""
        heard = self._candidate
        if heard is None:
            return []
        if self._goes_on(now_ms, heard_ms):
            return self._begin()
        if self._pause_ms:
            self._consider(self._evidence)
        before_ms, speech_ms = self._speech_at_hold_ms, self._input.speech_ms
        overlap = Overlap(
            text=heard.text,
            at_pause=heard.at_pause,
            speech_ms=speech_ms,
            pause_ms=self._input.pause_ms,
            playing=self._output.words_played(self._began_ms - ECHO_MS, heard_ms),
            is_over=not self._is_answering(now_ms),
            quieter_db=self._loudness.quieter_db,
            since_hold_ms=None if before_ms is None else speech_ms - before_ms,
            stable=heard.stable,
            language=self._language_of(heard),
            resembles=self._resembles_reply(heard_ms),
            below_reply_db=self._loudness.below_db(self._reply_db(heard_ms)) if self._is_telephone else None,
            over_echo_db=self._over_echo_db,
            backchannel=self._followed.backchannel,
            began_after=self._output.play_until_ms <= self._began_ms - BEGAN_AFTER_MS,
        )
        verdict = classify(overlap)
        if verdict is Verdict.INTERRUPTED:
            return self._begin()
        if verdict is Verdict.DISREGARDED:
            if overlap.since_hold_ms is not None:
                self._false_holds += 1
                if overlap.since_hold_ms <= ECHO_OUTLASTS_HOLD_MS:
                    self._loudness.end_echo(self._reply_db(heard_ms))
            return [*self._drop_candidate(now_ms), *self._input.discard(), ClearTimer(MicrophoneTimeout())]
        return []
