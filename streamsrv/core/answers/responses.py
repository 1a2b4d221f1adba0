"""Runs the responses of a session until they are done, cancelled, interrupted or failed. Pure."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from streamsrv.core.answers.live_responses import LiveResponses
from streamsrv.core.answers.output_items import ResponsePlan
from streamsrv.core.answers.requests import (
    already_active,
    own_tools,
    plan_response,
    request_of,
    resolve_items,
)
from streamsrv.core.answers.response import Response
from streamsrv.core.answers.speculation import Speculation
from streamsrv.core.answers.speculations import Speculations
from streamsrv.core.answers.spoken_message import SpokenMessage
from streamsrv.core.answers.spoken_segments import SpokenSegment
from streamsrv.core.answers.tool_wait import ToolWait
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.collector import Collector
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import (
    ClearTimer,
    Effect,
    RecordInterruption,
    RecordSpeculation,
    RecordTurn,
    SetTimer,
    StopGeneration,
)
from streamsrv.core.inputs import Failure, GenerationFailed, SpeechOutput, ToolReturned
from streamsrv.core.latency import TurnLatency, UnplayedTurns
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.rate_limit import RateLimit
from streamsrv.core.timers import ResponseTimeout
from streamsrv.core.toolbox import ServerTool, Toolbox
from streamsrv.engines.llm.base import Delta, Finished, Text
from streamsrv.protocol.client_events import ResponseOptions
from streamsrv.protocol.items import McpApprovalRequestItem
from streamsrv.protocol.session_object import Session
from streamsrv.text.voice_manners import VoiceManners

STALL_MS = 30_000
"""Time without progress after which a response has failed."""


class Responses:
    """Holds the responses in progress by generation; results of any other generation are stale.

    `new_id` makes ids from a prefix: of responses, items and function calls.
    """

    def __init__(
        self,
        conversation: Conversation,
        output_buffer: OutputBuffer,
        rate_limit: RateLimit,
        new_id: Callable[[str], str],
        capabilities: Capabilities,
        manners: VoiceManners,
        toolbox: Toolbox,
    ) -> None:
        self._capabilities = capabilities
        self._toolbox = toolbox
        self._manners = manners
        self._conversation = conversation
        self._output = output_buffer
        self._rate_limit = rate_limit
        self._new_id = new_id
        self._effects = Collector()  # of this and of its responses and their items
        self._generation = 0
        self._live = LiveResponses()
        self._unplayed = UnplayedTurns()
        self.speculations = Speculations(conversation, rate_limit, capabilities, manners, toolbox, self.next_generation)
        self._functions_wait: ToolWait | None = None  # None: another response came, or none has called a function
        self.owes_answer = False
        """Whether a response was refused that the client wanted for results which the one in progress does not know."""
        self._last: Response | None = None  # that a model answers in the conversation
        self._ended: list[Response] = []
        self.ended_count = 0
        """The number of the conversation's responses that have ended."""

    def __contains__(self, generation: int) -> bool:
        return generation in self._live or generation in self.speculations

    @property
    def active(self) -> Response | None:
        """The conversation's response in progress, if there is one."""
        return self._live.in_conversation

    @property
    def tool_wait(self) -> ToolWait | None:
        """The wait of the user for results of tools, which may be over; None: there is none."""
        active = self.active
        is_waiting = active is not None and active.awaits_only_tools and not active.leaves_call
        return ToolWait(active) if active is not None and is_waiting else self._functions_wait

    @property
    def is_active_unheard(self) -> bool:
        """Whether the conversation's response in progress has not sent audio yet."""
        active = self.active
        return active is not None and not (isinstance(active.message, SpokenMessage) and active.message.ledger.sent_ms)

    def create(
        self,
        options: ResponseOptions,
        session: Session,
        now_ms: int,
        latency: TurnLatency | None = None,
        turn_id: str = "",
    ) -> list[Effect]:
        """Start a response; its generation waits for `start_ready`. Raises `ProtocolError`."""
        in_conversation = options.conversation != "none"
        if in_conversation and self.active is not None:
            self.owes_answer = self.owes_answer or self._conversation.new_results > 0
            raise already_active(self.active.plan.id, answers_later=self.owes_answer)
        self._live.check_room()
        items = resolve_items(options.input, self._conversation, self._new_id, self._capabilities)
        tools = own_tools(options, session, self._capabilities, offers_more=self._toolbox.offers_unasked)
        plan = plan_response(self._new_id("resp"), options, session, self._capabilities, self._manners.apology)
        self._rate_limit.take(now_ms)
        self._effects.add(self._toolbox.prepare(tools))
        generation = self.next_generation()
        response = self._begin(plan, generation, now_ms, latency)
        response.options = options
        self._live.waiting[generation] = request_of(options, session, items, self._manners)
        if in_conversation:
            self._functions_wait, self.owes_answer, self._last = None, False, response
        return self._effects.take()

    def start_ready(self, pending: Collection[str], now_ms: int) -> list[Effect]:
        """Ask the model for each waiting response, unless an item of its input is `pending` (awaits its transcript)."""
        for generation, request in list(self._live.waiting.items()):
            if request.waits_for(pending, self._conversation) or self._toolbox.is_awaited(request.tools):
                continue
            del self._live.waiting[generation]
            response = self._live[generation]
            in_conversation = response.plan.in_conversation
            response.offer = request.offer(self._toolbox, in_conversation=in_conversation)
            question = request.to_generate(generation, self._conversation, response.offer)
            response.expect(response.plan.language.after(question.messages))
            self._live.asked[generation] = question
            if request.items is None:
                self._conversation.new_results = 0
            if (speculation := self.speculations.take_over(question, response.plan.spoken_as, now_ms)) is not None:
                self._effects.emit(RecordSpeculation(speculation.tokens, used=True))
                self._continue(speculation, response, now_ms)
            else:
                self._effects.emit(question)
        return self._effects.take()

    def say(
        self, segment: SpokenSegment, audio: Sequence[SpeechOutput], plan: ResponsePlan, generation: int, now_ms: int
    ) -> list[Effect]:
        """Say words that are not the language model's and that it is not shown, in one step.

        They are an item of the response in progress, which waits for tools, or else a whole response.
        """
        if (response := self.active) is None:
            plan = replace(plan, id=self._new_id("resp"), metadata=None)
            response = self._begin(plan, generation, now_ms)
            response.is_filler = True
        message = response.begin_filler(segment, generation, now_ms)
        self._output.add(message, response_id=response.plan.id, in_conversation=True, now_ms=now_ms)
        for speech in audio:
            message.take_speech(speech, now_ms)
        response.end_filler(message, now_ms)
        self._forget_if_done(response, now_ms)
        if not response.done:
            self._effects.emit(StopGeneration(generation))
        return self._effects.take()

    def announce(self, text: str, kind: str, session: Session, now_ms: int) -> tuple[Response, list[Effect]]:
        """Say a text of the operator, which the language model is shown, in a response of its own; `kind`: what it is.

        No response of the conversation may be in progress.
        """
        plan = plan_response(self._new_id("resp"), ResponseOptions(), session, self._capabilities)
        response = self._begin(plan, self.next_generation(), now_ms)
        response.said = kind
        self._take(response, Text(text), now_ms)
        self._take(response, Finished("stop"), now_ms)
        return response, self._effects.take()

    def take(self, generation: int, delta: Delta, now_ms: int) -> list[Effect]:
        """Take a delta of the model."""
        if generation in self.speculations:
            return self.speculations.take(delta, now_ms)
        self._take(self._live[generation], delta, now_ms)
        return self._effects.take()

    def go_on(self, generation: int, now_ms: int) -> list[Effect]:
        """Have the next segment of a response synthesised, because enough was played."""
        response = self._live[generation]
        response.go_on(now_ms)
        self._forget_if_done(response, now_ms)
        return self._effects.take()

    def take_speech(self, speech: SpeechOutput, now_ms: int) -> list[Effect]:
        """Take audio of the segment that is being synthesised."""
        if speech.generation in self.speculations:
            self.speculations.take_speech(speech)
        else:
            self._live[speech.generation].take_speech(speech, now_ms)
        return self._effects.take()

    def end_segment(self, generation: int, now_ms: int) -> list[Effect]:
        """End the segment that was synthesised."""
        if generation in self.speculations:
            self.speculations.end_segment()
        else:
            self._live[generation].end_segment(now_ms)
            self._forget_if_done(self._live[generation], now_ms)
        return self._effects.take()

    def has_call(self, call_id: str) -> bool:
        """Whether a call of a tool of this server still runs."""
        return self._live.runs(call_id)

    def take_result(self, returned: ToolReturned, now_ms: int) -> list[Effect]:
        """Take the result of a call of a tool of this server."""
        if (response := self._live.with_call(returned.call_id)) is not None:
            response.take_result(returned, now_ms)
            self._play(response, now_ms)
            self._forget_if_done(response, now_ms)
        return self._effects.take()

    def run_approved(
        self, approved: Sequence[tuple[ServerTool, McpApprovalRequestItem]], session: Session, now_ms: int
    ) -> list[Effect]:
        """Run calls that the client approved, in a response without words: the one in progress, or a new one."""
        response = self.active
        if response is None:
            plan = plan_response(self._new_id("resp"), ResponseOptions(), session, self._capabilities)
            response = self._begin(plan, self.next_generation(), now_ms)
        for tool, request in approved:
            response.run(tool, request, now_ms)
        return self._effects.take()

    def take_ended(self) -> list[Response]:
        """Return the conversation's responses that have ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def fail(self, failed: GenerationFailed, now_ms: int) -> list[Effect]:
        """Take the failure of a stage, which failed for good."""
        if failed.generation in self.speculations:
            return self.speculations.fail(failed)
        response = self._live[failed.generation]
        response.take_failure(failed, now_ms)
        self._play(response, now_ms)
        self._forget_if_done(response, now_ms)
        return self._effects.take()

    def cancel(self, response_id: str | None, now_ms: int) -> list[Effect]:
        """Cancel the named response, or the one in the conversation. Raises `ProtocolError`."""
        self._cancel(self._live.to_cancel(response_id), "client_cancelled", now_ms)
        return self._effects.take()

    def reply_to(self, item_id: str) -> Response | None:
        """Return the last response, in progress or not, if it answers the user's turn of this item."""
        return self._last if self._last is not None and self._last.latency.turn_id == item_id else None

    def interrupt(self, now_ms: int, false_reply: Response | None = None) -> list[Effect]:
        """Stop answering: the user interrupts. The model is shown only what was heard, nothing of `false_reply`."""
        if false_reply is not None:
            false_reply.undo()
        elif self.active is not None or self._output.is_playing(now_ms):
            self._effects.emit(RecordInterruption())
        if self.active is not None:
            self._cancel(self.active, "turn_detected", now_ms)
        if self._output.can_hold and self._output.is_playing(now_ms):
            self._cancel_begun("turn_detected", now_ms)
        self._effects.add(self._output.interrupt(now_ms))
        self._effects.add([RecordTurn(each) for each in self._unplayed.give_up() if false_reply is None])
        if false_reply is not None:
            false_reply.hide()
        return self._effects.take()

    def cancel_all(self, now_ms: int) -> list[Effect]:
        """Stop answering, also outside of the conversation, because the call is over."""
        for response in self._live:
            self._cancel(response, "turn_detected", now_ms)
        self._effects.add(self.speculations.discard())
        self._effects.add([RecordTurn(each) for each in self._unplayed.give_up()])
        return self._effects.take()

    def clear_output(self, now_ms: int) -> list[Effect]:
        """Clear the output buffer and cancel the spoken response in progress. Raises `ProtocolError`."""
        self._output.check_clearable()
        if self.active is not None and isinstance(self.active.message, SpokenMessage):
            self._cancel(self.active, "client_cancelled", now_ms)
        self._cancel_begun("client_cancelled", now_ms)
        self._effects.add(self._output.interrupt(now_ms, clears_all=True))
        return self._effects.take()

    def playback_began(self, item_id: str, now_ms: int) -> list[Effect]:
        """Record that the first audio of an item is played, the last stage of its turn."""
        if (latencies := self._unplayed.played(item_id, now_ms)) is not None:
            return [RecordTurn(latencies)]
        self._live.mark_played(item_id, now_ms)
        return []

    def check_progress(self, generation: int, now_ms: int) -> list[Effect]:
        """Fail a response that made no progress within `STALL_MS`; otherwise set the timer again."""
        response = self._live[generation]
        waits = generation in self._live.waiting or response.awaits_only_tools  # tools have time-outs of their own
        idle_ms = 0 if waits else now_ms - response.idle_since_ms
        if idle_ms < STALL_MS:
            return [SetTimer(ResponseTimeout(generation), STALL_MS - idle_ms)]
        failure = Failure("unavailable", f"The model made no progress for {STALL_MS // 1000} seconds.")
        failed = self.fail(GenerationFailed(generation, failure, response.stage), now_ms)
        return failed if response.done else [*failed, SetTimer(ResponseTimeout(generation), STALL_MS)]

    def _begin(self, plan: ResponsePlan, generation: int, now_ms: int, latency: TurnLatency | None = None) -> Response:
        response = Response(plan, generation, self._conversation, self._effects, self._new_id, latency, now_ms)
        self._effects.emit(SetTimer(ResponseTimeout(generation), STALL_MS))
        return self._live.add(response)

    def next_generation(self) -> int:
        """Return a new number for what the model or the synthesiser makes."""
        self._generation += 1
        return self._generation

    def _continue(self, speculation: Speculation, response: Response, now_ms: int) -> None:
        """Give the response the output of the speculation so far, and its generation."""
        generation = speculation.generation
        self._effects.emit(ClearTimer(ResponseTimeout(response.generation)))
        self._live.move(response, generation)
        requested, language = speculation.is_speech_requested, speculation.language
        response.continue_speculation(generation, language, is_speech_requested=requested)
        response.latency.merge(speculation.latency)
        self._effects.emit(SetTimer(ResponseTimeout(generation), STALL_MS))
        for delta in speculation.deltas:
            if not response.done:
                self._take(response, delta, now_ms)
        if not response.done:
            speculation.give_speech(response, now_ms)
            self._forget_if_done(response, now_ms)

    def _take(self, response: Response, delta: Delta, now_ms: int) -> None:
        if isinstance(delta, Finished) and response.generation in self._live.asked and response.is_useless(delta):
            self._ask_again(response)
            return
        response.take(delta, now_ms)
        self._play(response, now_ms)
        self._forget_if_done(response, now_ms)

    def _play(self, response: Response, now_ms: int) -> None:
        """Have the message of a response played, once it has one."""
        if isinstance(response.message, SpokenMessage):
            plan = response.plan
            self._output.add(response.message, response_id=plan.id, in_conversation=plan.in_conversation, now_ms=now_ms)

    def _ask_again(self, response: Response) -> None:
        """Ask the model a second and last time, because its answer is of no use to anybody."""
        question = self._live.asked.pop(response.generation)
        generation = self.next_generation()
        self._effects.emit(StopGeneration(response.generation))
        self._effects.emit(ClearTimer(ResponseTimeout(response.generation)))
        self._live.move(response, generation)
        response.begin_again(generation)
        self._effects.emit(SetTimer(ResponseTimeout(generation), STALL_MS))
        self._effects.emit(replace(question, generation=generation))

    def _cancel(self, response: Response, reason: str, now_ms: int) -> None:
        response.close("cancelled", reason=reason)
        self._forget_if_done(response, now_ms)

    def _cancel_begun(self, reason: str, now_ms: int) -> None:
        """Cancel the responses whose audio so far is about to be dropped: the rest alone means nothing."""
        for response in self._live.heard:
            self._cancel(response, reason, now_ms)

    def _forget_if_done(self, response: Response, now_ms: int) -> None:
        message = response.message
        if isinstance(message, SpokenMessage) and message.closed:
            self._output.close(message, completed=message.item.status == "completed")
        if not response.done:
            return
        self._live.remove(response)
        if response.plan.in_conversation:
            self.ended_count += 1
            self._ended.append(response)
            if not response.is_filler:
                self._functions_wait = ToolWait(response) if response.called else None
        self._effects.emit(StopGeneration(response.generation))
        self._effects.emit(ClearTimer(ResponseTimeout(response.generation)))
        self._effects.send("rate_limits.updated", rate_limits=[self._rate_limit.to_wire(now_ms)])
        self._effects.add(self._output.end_response(response.plan.id))
        is_unplayed = self._output.can_hold and isinstance(message, SpokenMessage) and message.ledger.is_unreported
        ended = self._unplayed.end(response.latency, message.item.id if message is not None and is_unplayed else None)
        self._effects.add([RecordTurn(each) for each in ended])
