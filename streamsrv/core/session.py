"""The session's core: one input in, its effects out. No sockets, threads, clocks or models."""

from collections.abc import Callable, Collection
from dataclasses import replace

from streamsrv.core import inputs, timers
from streamsrv.core.answers.due_answers import DueAnswers
from streamsrv.core.answers.filler import Filler
from streamsrv.core.answers.requests import instructions_of
from streamsrv.core.answers.responses import Responses
from streamsrv.core.answers.tool_turns import ToolTurns
from streamsrv.core.call_rules import CallRules
from streamsrv.core.calls.course import CallCourse
from streamsrv.core.calls.tools import call_tools
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.client_items import ClientItems
from streamsrv.core.collector import Collector
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import Close, Effect, PrepareModel, SendEvent
from streamsrv.core.latency import TurnLatency
from streamsrv.core.lifetime import Lifetime
from streamsrv.core.noise_suppression import NoiseSuppression
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.rate_limit import RateLimit
from streamsrv.core.recognizer_loading import RecognizerLoading
from streamsrv.core.staleness import is_stale
from streamsrv.core.toolbox import Toolbox
from streamsrv.core.transcription import Transcriptions
from streamsrv.core.turns.decisions import TurnDecision
from streamsrv.core.turns.idle import STILL_THERE, IdleTimer
from streamsrv.core.turns.input_buffer import InputBuffer, chosen_model
from streamsrv.core.turns.microphone import Microphone
from streamsrv.core.turns.turn_taking import TurnTaking
from streamsrv.core.user_turns import UserTurns
from streamsrv.protocol import client_events
from streamsrv.protocol.errors import ErrorDetails, ProtocolError
from streamsrv.protocol.session_object import Session, session_to_wire, with_transcriber
from streamsrv.protocol.session_update import update_session
from streamsrv.text.voice_manners import VoiceManners


class SessionCore:
    """Everything a session decides. Inputs go to `handle`, in order; its effects are to be run in order.

    `new_id` makes ids from a prefix. `speculative`: answers may be begun in the last pause of a turn.
    `holds_playback`: the transport plays the answers (`channel.Speaker`), not the client. `max_session_ms`: the session
    ends after that, as its `expires_at` says; 0: never. `caption_rooms`: those that the client may speak in; None: all.
    `capabilities`: what it may ask for. `manners`: how answers are worded. `call`: what the operator wants of the
    telephone call that the session runs in. All times are ms: of the session's own audio, or (`now_ms`) of the driver's
    clock.
    """

    def __init__(
        self,
        session: Session,
        *,
        new_id: Callable[[str], str],
        responses_per_minute: int = 120,
        speculative: bool = True,
        holds_playback: bool = False,
        max_session_ms: int = 0,
        caption_rooms: Collection[str] | None = None,
        capabilities: Capabilities | None = None,
        manners: VoiceManners = VoiceManners(),  # noqa: B008 (it cannot be changed)
        offers_tools: bool = True,
        call: CallRules | None = None,
    ) -> None:
        self._capabilities = capabilities or Capabilities()
        self.session = self._capabilities.fit(session)
        self._named_recognizer = chosen_model(session.audio.input)  # by the client; what is in force depends on more
        self._new_id = new_id
        self._effects = Collector()  # of the input that is being handled
        self._conversation = Conversation(new_id("conv"))
        self._input = InputBuffer(self.session, new_id)
        self._output = OutputBuffer(self._conversation, held_by_transport=holds_playback)
        self._transcriptions = Transcriptions(session, self._input, new_id)
        self._manners = manners
        rate_limit = RateLimit(responses_per_minute)
        servers = self._capabilities.tool_servers
        self._toolbox = Toolbox(
            self._conversation, new_id, servers, offers_all=offers_tools, call_tools=call_tools(call)
        )
        self._responses = Responses(
            self._conversation, self._output, rate_limit, new_id, self._capabilities, manners, self._toolbox
        )
        self._tool_turns = ToolTurns(self._responses)
        self._items = ClientItems(
            self._conversation,
            self._input,
            self._output,
            self._transcriptions,
            self._tool_turns,
            self._capabilities,
            new_id,
        )
        self._microphone = Microphone(is_call=holds_playback)
        self._turns = TurnTaking(
            self._conversation,
            self._input,
            self._responses,
            self._output,
            self._microphone,
            is_telephone=call is not None,
        )
        self._idle = IdleTimer(self._input, self._responses, self._output)
        self._due = DueAnswers(self._input, self._transcriptions, self._responses, self._idle, speculative=speculative)
        self._course = CallCourse(
            call,
            self._conversation,
            self._input,
            self._transcriptions,
            self._responses,
            self._output,
            self._due,
            new_id,
            max_session_ms,
            manners.apology,
        )
        self._user_turns = UserTurns(
            self._conversation,
            self._input,
            self._output,
            self._transcriptions,
            self._responses,
            self._turns,
            self._idle,
            self._due,
            self._course,
        )
        self._filler = Filler(self._conversation, self._input, self._responses, self._output, manners)
        self._loading = RecognizerLoading()
        self._noise = NoiseSuppression()
        self._configure()
        self._lifetime = Lifetime(max_session_ms)
        self._caption_rooms = caption_rooms
        self._now_ms = 0

    def start(self, now_ms: int = 0) -> list[Effect]:
        """The effects that open the session at `now_ms`."""
        self._now_ms = now_ms
        self._effects.send("session.created", session=session_to_wire(self.session))
        self._effects.add(self._lifetime.start())
        self._effects.add(self._transcriptions.start())
        self._effects.add(self._loading.configure(self.session))
        self._effects.add(self._noise.configure(self.session))
        self._prepare_model()
        self._effects.add(self._toolbox.start(self.session))
        self._effects.add(self._course.start(self.session, now_ms))
        return self._take_effects()

    def handle(self, happened: inputs.Input, now_ms: int) -> list[Effect]:
        """Handle one input at `now_ms`; return its effects."""
        self._now_ms = now_ms
        if self._filler.owns(happened):
            self._effects.add(self._filler.take(happened, now_ms))
        elif not is_stale(happened, self._responses, self._input, self._transcriptions):
            try:
                self._dispatch(happened)
            except ProtocolError as error:  # not of a client's event: a turn that does not fit in the conversation
                self._due.give_up()
                self._send_error(error.details, None)
            self._effects.add(self._course.go_on(self.session, self._now_ms))
            if not self._course.is_over:
                self._answer_what_is_due()
            self._effects.add(self._due.discard_stale_speculation())
            self._effects.add(self._idle.watch(self._now_ms))
            self._effects.add(self._course.watch(self.session, self._now_ms))
        self._effects.add(self._filler.watch(now_ms))
        return self._take_effects()

    def _answer_what_is_due(self) -> None:
        self._effects.add(self._tool_turns.go_on(self.session, self._now_ms))
        if self._due.is_due:
            self._respond(client_events.ResponseOptions(), self._due.latency)
        if (follow_up := self._tool_turns.due(speaking=self._input.speaking)) is not None:
            self._respond(follow_up)

    def _take_effects(self) -> list[Effect]:
        """The collected effects; each event gets its id here."""
        return [
            replace(effect, event_id=self._new_id("event")) if isinstance(effect, SendEvent) else effect
            for effect in self._effects.take()
        ]

    def _dispatch(self, happened: inputs.Input) -> None:
        match happened:
            case inputs.FrameHeard():
                self._carry_out(self._turns.hear(happened, self._now_ms))
            case inputs.AudioAppended():
                self._input.append(happened.until_ms)
                self._microphone.receive(happened.until_ms, self._now_ms)
            case inputs.EventReceived():
                self._handle_event(happened.event)
            case inputs.EventRefused():
                self._send_error(happened.error, happened.event_id)
            case inputs.TranscriptReceived():
                heard, transcript = happened.item_id, happened.transcript
                self._effects.add(self._user_turns.take_transcript(heard, transcript, self.session, self._now_ms))
            case inputs.RecognitionFailed():
                unheard, message = happened.item_id, happened.failure.message
                self._effects.add(self._user_turns.fail_transcript(unheard, message, self.session, self._now_ms))
            case inputs.RecognizerPrepared():
                self._effects.add(self._loading.take(happened, self.session))
            case inputs.EndOfTurnPredicted() | inputs.TurnScored() | inputs.WordsJudged():
                self._turns.take_judgement(happened)
            case inputs.ModelOutput():
                self._effects.add(self._responses.take(happened.generation, happened.delta, self._now_ms))
            case inputs.SpeechOutput():
                self._effects.add(self._responses.take_speech(happened, self._now_ms))
            case inputs.SegmentSpoken():
                self._effects.add(self._responses.end_segment(happened.generation, self._now_ms))
            case inputs.GenerationFailed():
                self._effects.add(self._responses.fail(happened, self._now_ms))
            case inputs.ToolsListed():
                self._effects.add(self._toolbox.take(happened))
                self._start_ready()
            case inputs.ToolReturned():
                self._effects.add(self._responses.take_result(happened, self._now_ms))
            case inputs.PlaybackReported():
                self._take_report(happened.item_id, happened.audio_ms)
            case inputs.PlaybackEnded():
                self._take_report(happened.item_id, happened.audio_ms)
                self._effects.add(self._output.end(happened.item_id, happened.audio_ms, self._now_ms))
            case inputs.DigitPressed():
                self._effects.add(self._user_turns.press(happened, self.session, self._now_ms))
            case inputs.TransferFailed():
                self._effects.add(self._course.transfer_failed(happened.message, self._now_ms))
            case inputs.LineDropped():
                self._effects.add(self._course.drop_line(self._now_ms))
                self._carry_out(self._turns.cut_off(self._now_ms))
            case inputs.TimerFired():
                self._time_out(happened.key)

    def _take_report(self, item_id: str, audio_ms: int) -> None:
        is_first = self._output.is_unreported(item_id)
        self._effects.add(self._output.report(item_id, audio_ms, self._now_ms))
        if is_first:
            self._effects.add(self._responses.playback_began(item_id, self._now_ms))

    def _carry_out(self, decisions: list[TurnDecision]) -> None:
        self._effects.add(self._user_turns.carry_out(decisions, self.session, self._now_ms))

    def _respond(self, options: client_events.ResponseOptions, latency: TurnLatency | None = None) -> None:
        try:
            self._create_response(options, latency)
        except ProtocolError as error:
            self._due.give_up()
            self._send_error(error.details, None)

    def _handle_event(self, event: client_events.ClientEvent) -> None:
        try:
            self._obey(event)
        except ProtocolError as error:
            self._send_error(error.details, event.event_id)

    def _obey(self, event: client_events.ClientEvent) -> None:
        match event:
            case client_events.SessionUpdate():
                self._update(event)
            case client_events.AudioCommit():
                finished, audio = self._input.commit()
                self._effects.add(finished)
                self._effects.add(self._turns.drop_candidate(self._now_ms))
                self._effects.add(self._user_turns.commit(audio, self.session, self._now_ms))
            case client_events.AudioClear():
                self._clear_input()
            case client_events.ItemCreate():
                self._effects.add(self._items.create(event, self.session.audio.input.format))
            case client_events.ItemRetrieve():
                self._effects.emit(self._items.retrieve(event.item_id))
            case client_events.ItemTruncate():
                self._effects.add(self._items.truncate(event, self._now_ms))
            case client_events.ItemDelete():
                self._delete(event.item_id)
            case client_events.ResponseCreate():
                options = event.response or client_events.ResponseOptions()
                if not self._tool_turns.covers(options, self._responses.active):
                    self._create_response(options)
            case client_events.ResponseCancel():
                self._effects.add(self._responses.cancel(event.response_id, self._now_ms))
            case client_events.OutputAudioClear():
                self._effects.add(self._responses.clear_output(self._now_ms))
            case client_events.PlaybackReport():
                kind = inputs.PlaybackEnded if event.ended else inputs.PlaybackReported
                self._dispatch(kind(event.item_id, event.audio_ms))
            case _:
                raise TypeError(f"{type(event).__name__} is no input of the core")

    def _clear_input(self) -> None:
        if (item_id := self._input.item_id) is not None:
            self._effects.add(self._transcriptions.forget(item_id))
        self._effects.add(self._input.clear())
        self._effects.add(self._turns.drop_candidate(self._now_ms))
        self._effects.send("input_audio_buffer.cleared")
        if self._due.interrupted_unheard:
            self._respond(client_events.ResponseOptions())

    def _update(self, event: client_events.SessionUpdate) -> None:
        held = self.session
        update = update_session(
            with_transcriber(held, self._named_recognizer),
            event.session,
            caption_rooms=self._caption_rooms,
            keeps_formats=self._course.is_call,
        )
        self._capabilities.check_model(event.session.get("model"), held.model, "session.model")
        updated = self._capabilities.fit(update)
        if self._output.used and updated.voice != held.voice:
            message = "Cannot update a conversation's voice if assistant audio is present."
            raise ProtocolError("cannot_update_voice", message, "session.audio.output.voice")
        self.session = updated
        self._named_recognizer = chosen_model(update.audio.input)
        if self.session.audio.input.turn_detection is None:
            self._effects.add(self._turns.drop_candidate(self._now_ms))
        self._configure()
        self._effects.add(self._noise.configure(updated))
        if instructions_of(updated, self._manners) != instructions_of(held, self._manners):
            self._prepare_model()
        self._effects.send("session.updated", session=session_to_wire(self.session))
        self._effects.add(self._toolbox.prepare(self.session.tools))
        self._effects.add(self._loading.configure(self.session))
        self._effects.add(self._lifetime.announce_end(self.session, self._now_ms))

    def _configure(self) -> None:
        self._input.configure(self.session)
        self._turns.configure(self.session)
        self._effects.add(self._transcriptions.configure(self.session))
        self._effects.add(self._idle.configure(self.session.audio.input))
        self._output.configure(self.session)

    def _prepare_model(self) -> None:
        if self.session.type == "realtime":
            instructions = instructions_of(self.session, self._manners)
            self._effects.emit(PrepareModel(self._conversation.messages(instructions, self._conversation.items)))

    def _delete(self, item_id: str) -> None:
        self._conversation.delete(item_id)
        self._output.forget(item_id)
        self._effects.add(self._transcriptions.delete(item_id))
        self._due.forget(item_id)
        self._tool_turns.forget_item(item_id)
        self._effects.send("conversation.item.deleted", item_id=item_id)
        self._start_ready()

    def _create_response(self, options: client_events.ResponseOptions, latency: TurnLatency | None = None) -> None:
        if self.session.type != "realtime":
            raise ProtocolError("invalid_value", "A transcription session gives no responses.", "type")
        if self._course.is_over:
            raise ProtocolError("invalid_value", "The call has ended: nothing is answered any more.", "type")
        self._effects.add(self._responses.create(options, self.session, self._now_ms, latency))
        if options.conversation != "none":
            self._due.answered()
            self._effects.add(self._idle.stop())
            self._effects.add(self._tool_turns.begin(options, self._responses.active))
        self._start_ready()

    def _start_ready(self) -> None:
        self._effects.add(self._responses.start_ready(self._transcriptions.pending, self._now_ms))

    def _send_error(self, error: ErrorDetails, event_id: str | None) -> None:
        self._effects.send("error", error={**error.to_wire(), "event_id": event_id})

    def _time_out(self, key: timers.TimerKey) -> None:
        match key:
            case timers.IdleTimeout() if self._course.is_over:
                pass
            case timers.IdleTimeout() if self._idle.is_user_silent(self._now_ms):
                self._prompt_silent_user()
            case timers.IdleTimeout():
                self._effects.add(self._idle.postpone(self._now_ms))
            case timers.MicrophoneTimeout():
                self._carry_out(self._turns.check_microphone(self._now_ms))
            case timers.ResponseTimeout(generation) if generation in self._responses:
                self._effects.add(self._responses.check_progress(generation, self._now_ms))
            case timers.SpeechDue(generation) if generation in self._responses:
                self._effects.add(self._responses.go_on(generation, self._now_ms))
            case timers.FillerDue():
                self._effects.add(self._filler.fire(self._now_ms))
            case timers.ListingTimeout():
                self._toolbox.give_up_waiting(key.listing_id)
                self._start_ready()
            case timers.FollowUpDue():
                self._tool_turns.fall_due()
            case timers.SessionExpiring():
                self._lifetime.expire_soon(self._now_ms)
                self._effects.add(self._lifetime.announce_end(self.session, self._now_ms))
            case timers.SessionTimeout():
                message = f"Your session hit the maximum duration of {self._lifetime.describe()}."
                self._send_error(ErrorDetails("session_expired", message), None)
                self._effects.emit(Close(1001, "session_expired"))
            case _:
                self._effects.add(self._course.time_out(key, self.session, self._now_ms))

    def _prompt_silent_user(self) -> None:
        finished, audio = self._input.commit_silence(self._idle.reply_over_ms)
        self._effects.add(finished)
        span = {"audio_start_ms": audio.start_ms, "audio_end_ms": audio.start_ms + audio.duration_ms}
        self._effects.send("input_audio_buffer.timeout_triggered", item_id=audio.item_id, **span)
        self._effects.add(self._user_turns.commit(audio, self.session, self._now_ms))
        self._respond(client_events.ResponseOptions(instructions=f"{self.session.instructions}\n{STILL_THERE}"))
