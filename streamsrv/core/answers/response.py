"""Runs one response, from `response.created` to exactly one `response.done`. Pure."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import msgspec

from streamsrv.core.answers.answered_by import answered_by_to_wire
from streamsrv.core.answers.output_items import OutputItems, ResponsePlan, WrittenMessage
from streamsrv.core.answers.reply_language import ExpectedLanguage
from streamsrv.core.answers.response_calls import ResponseCalls
from streamsrv.core.answers.server_calls import ServerCall
from streamsrv.core.answers.spoken_message import SpokenMessage
from streamsrv.core.answers.spoken_segments import SpokenSegment
from streamsrv.core.answers.usage import total, usage_to_wire
from streamsrv.core.collector import Collector
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import SendEvent
from streamsrv.core.inputs import GenerationFailed, SpeechOutput, ToolReturned
from streamsrv.core.latency import TurnLatency
from streamsrv.core.toolbox import Offer, ServerTool
from streamsrv.engines.llm.base import AnsweredBy, Delta, Finished, Reasoning, Text, ToolCallDelta, Truncated, Usage
from streamsrv.protocol.client_events import ResponseOptions
from streamsrv.protocol.items import McpApprovalRequestItem

ResponseStatus = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]
COMPLETE = ("stop", "tool_calls")
"""Why a model stops that has said all."""


class Response:
    """Turns the model's output into items, segments and audio, in the order of the protocol."""

    def __init__(
        self,
        plan: ResponsePlan,
        generation: int,
        conversation: Conversation,
        effects: Collector,
        new_id: Callable[[str], str],
        latency: TurnLatency | None,
        now_ms: int,
    ) -> None:
        self.plan = plan
        self.latency = latency or TurnLatency()
        self.status: ResponseStatus = "in_progress"
        self.message: SpokenMessage | WrittenMessage | None = None
        self._last_progress_ms = now_ms
        self._conversation_id = conversation.id if plan.in_conversation else None
        self._effects = effects
        self._items = OutputItems(plan, generation, conversation, effects, new_id)
        self._generations = [generation]
        self._is_speech_requested = False
        self.options = ResponseOptions()
        """What the client asked for."""
        self.offer = Offer()
        """What the model may call."""
        self._calls = ResponseCalls(self._items)
        self._usage: Usage | None = None
        self._earlier_usage: Usage | None = None  # of the request before, if the model was asked again
        self.is_filler = False
        """Whether it is what is said in a wait, and not an answer."""
        self.turn_resumed = False
        """Whether the user went on with the turn that it answers, so that the language model is not shown it."""
        self.said = ""
        """What it is, if the operator and no language model has worded it: `greeting`, `goodbye` and so on."""
        self._filler_ids: list[str] = []  # of items that say something while its tools run
        self._problem = ""  # what is wrong with a function call
        self._finished: Finished | None = None
        self._runs_approved = False
        self._answered_by: AnsweredBy | None = None
        self._truncated: Truncated | None = None
        self._error: dict[str, str] | None = None  # of a response that says that it has failed
        self._voice_error: dict[str, str] | None = None  # why the rest of the answer is only written
        effects.send("response.created", response=self.to_wire())

    def undo(self) -> None:
        """The user goes on with the turn that it answers: its times are those of no turn."""
        self.turn_resumed, self.latency = True, TurnLatency()

    def hide(self) -> None:
        """Show the language model nothing of it but the calls that may have had an effect."""
        self._items.hide_ineffective()

    def expect(self, language: ExpectedLanguage) -> None:
        """Expect that the answer begins in this language; call it before any output is taken."""
        self.plan = self._items.plan = replace(self.plan, language=language)

    @property
    def generation(self) -> int:
        """The number that names the response in effects and inputs."""
        return self._items.generation

    def continue_speculation(self, generation: int, language: ExpectedLanguage, *, is_speech_requested: bool) -> None:
        """Continue with the output of a speculative generation; call it before any output is taken.

        `is_speech_requested`: the synthesis of its first segment was requested already.
        """
        self.expect(language)
        self._items.generation = generation
        self._generations.append(generation)
        self._is_speech_requested = is_speech_requested

    def begin_filler(self, segment: SpokenSegment, generation: int, now_ms: int) -> SpokenMessage:
        """Begin a message that the language model is not shown.

        The audio of its only segment was synthesised under the number `generation`.
        """
        if generation not in self._generations:
            self._generations.append(generation)
        message = SpokenMessage(self._items, is_requested=True)
        self._items.hide(message.item)
        message.take_all(segment)
        message.speak(now_ms)
        if self.is_filler:
            self.message = message
            self._finished = Finished("stop")
        else:
            self._filler_ids.append(message.item.id)
        return message

    def end_filler(self, message: SpokenMessage, now_ms: int) -> None:
        """End such a message, whose audio was all sent."""
        message.end_segment()
        message.close("completed")
        self.go_on(now_ms)

    @property
    def called(self) -> frozenset[str]:
        """The ids of the function calls on which the client acts."""
        return self._calls.of_client

    def begin_again(self, generation: int) -> None:
        """Give up what the model has answered so far: it is asked again, and `generation` names what comes now."""
        self._calls.begin_again()
        self._items.generation = generation
        self._generations.append(generation)
        self._earlier_usage = self._usage

    def is_useless(self, finished: Finished) -> bool:
        """Whether the model, which has now finished, said nothing and called no function that can be acted on."""
        return finished.reason in COMPLETE and self.message is None and not self._calls.can_be_made

    @property
    def done(self) -> bool:
        return self.status != "in_progress"

    @property
    def idle_since_ms(self) -> int:
        """The wall ms since which a stage has made no progress; the wait for playback does not count."""
        due_ms = self.message.due_ms if isinstance(self.message, SpokenMessage) else 0
        return max(self._last_progress_ms, due_ms)

    def take(self, delta: Delta, now_ms: int) -> None:
        """Take one delta of the language model."""
        if self._error is not None:
            return
        if isinstance(delta, Text | ToolCallDelta):
            self.latency.mark("first_token", now_ms)
        match delta:
            case Text():
                self._take_text(delta.text)
            case ToolCallDelta():
                self._calls.take(delta, self.offer)
            case Usage():
                self._usage = total(self._earlier_usage, delta)
            case Finished():
                self._finish(delta)
            case AnsweredBy():
                self._answered_by = delta
            case Truncated():
                self._truncated = delta
            case Reasoning():
                pass
        self.go_on(now_ms)

    def go_on(self, now_ms: int) -> None:
        """Have the next segment spoken if it is due; close the response if nothing is left."""
        self._last_progress_ms = now_ms
        if isinstance(self.message, SpokenMessage):
            self.message.speak(now_ms)
            if self.message.begun:
                self.latency.mark("first_segment", now_ms)
        self._close_when_complete()

    def take_speech(self, speech: SpeechOutput, now_ms: int) -> None:
        """Take audio of the segment that is being synthesised."""
        self._last_progress_ms = now_ms
        if isinstance(self.message, SpokenMessage):
            self.latency.mark("first_audio", now_ms)
            self.message.take_speech(speech, now_ms)

    def end_segment(self, now_ms: int) -> None:
        """End the segment that was synthesised."""
        if isinstance(self.message, SpokenMessage):
            self.message.end_segment()
        self.go_on(now_ms)

    def take_failure(self, failed: GenerationFailed, now_ms: int) -> None:
        """Take the failure of a stage. Without a voice the text goes on; any other failure ends the response.

        So does a voice's refusal of what the client asked for: the client is told as of any bad request.
        """
        error, is_of_voice = failed.failure.to_wire(), failed.stage == "synthesizer"
        if not is_of_voice or failed.failure.kind == "rejected":
            self.fail(error, now_ms, can_speak=not is_of_voice)
        elif isinstance(self.message, SpokenMessage):
            self._voice_error = error
            self.message.lose_voice(error)
            self.go_on(now_ms)

    def fail(self, error: dict[str, str], now_ms: int, *, can_speak: bool = True) -> None:
        """End the response with an error. A spoken one first says what it has, and then the apology of the operator.

        `can_speak`: whether the voice can be asked for that.
        """
        if self._error is not None or not (can_speak and self._can_apologize):
            self.close("failed", error=error if self._error is None else self._error)
            return
        self._error = error
        self._calls.abandon()
        self._apologize()
        self._finished = Finished("stop")
        self.go_on(now_ms)

    @property
    def _can_apologize(self) -> bool:
        return bool(self.plan.apology) and self.plan.modality == "audio"

    def _apologize(self) -> None:
        if self.message is None or self.message.closed:
            self.message = self._begin_spoken()
        if isinstance(self.message, SpokenMessage):
            self.message.conclude(self.plan.apology)

    def _begin_spoken(self, *, is_requested: bool = False) -> SpokenMessage:
        message = SpokenMessage(self._items, is_requested=is_requested)
        if self._voice_error is not None:
            message.lose_voice(self._voice_error)
        return message

    def close(self, status: ResponseStatus, *, reason: str = "", error: dict[str, str] | None = None) -> None:
        """End the response now: close the open items, in order, and send `response.done`."""
        if self.message is not None and not self.message.closed:
            self.message.close("completed" if status == "completed" else "incomplete")
        self._calls.abandon()
        self.status = status
        details: dict[str, Any] = {"type": status}
        if reason:
            details["reason"] = reason
        if error:
            details["error"] = error
        response = self.to_wire(None if status == "completed" else details)
        self._effects.emit(SendEvent("response.done", {"response": response}, generations=tuple(self._generations)))

    def to_wire(self, details: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the response object; `details` tell why it did not complete."""
        plan = self.plan
        output = {"format": msgspec.to_builtins(plan.format), "voice": plan.speech.voice}
        own = self._own_fields() if self.done else {}
        return {
            "object": "realtime.response",
            "id": plan.id,
            "status": self.status,
            "status_details": details,
            "output": self._items.to_wire(),
            "conversation_id": self._conversation_id,
            "output_modalities": [plan.modality],
            "max_output_tokens": plan.max_output_tokens,
            "audio": {"output": output},
            "usage": usage_to_wire(self._usage) if self._usage and self.done else None,
            "metadata": plan.metadata,
            **({"streamsrv": own} if own else {}),
        }

    def _own_fields(self) -> dict[str, Any]:
        """Return streamsrv's own fields: each stage's latency, what ended the turn, which model answered, and why."""
        fields: dict[str, Any] = {"filler": True} if self.is_filler else {}
        if self.turn_resumed:
            fields["turn_resumed"] = True
        if self.said:
            fields["said"] = self.said
        if self._filler_ids:
            fields["filler_items"] = self._filler_ids
        if latencies := self.latency.latencies():
            fields["latency"] = latencies
        if self.latency.ending is not None:
            fields["turn"] = self.latency.ending.to_wire()
        if self._answered_by is not None:
            fields |= answered_by_to_wire(self._answered_by)
        if isinstance(self.message, SpokenMessage):
            fields |= self.message.own_fields()
        if self._truncated is not None:
            fields["truncated_messages"] = self._truncated.messages
        return fields

    def _take_text(self, text: str) -> None:
        if self.message is None:
            text = text.lstrip()
            if not text:
                return
            if self.plan.modality == "audio":
                self.message = self._begin_spoken(is_requested=self._is_speech_requested)
            else:
                self.message = WrittenMessage(self._items)
        self.message.take_text(text)

    @property
    def server_calls(self) -> list[ServerCall]:
        """The calls of tools that this server runs."""
        return self._calls.of_server

    @property
    def requests(self) -> dict[str, tuple[ServerTool, McpApprovalRequestItem]]:
        """The tools whose calls the client has to approve and the items that ask for it, by their ids."""
        return self._calls.requests

    @property
    def stage(self) -> Literal["chat", "synthesizer"]:
        """What is at work now."""
        is_with_the_voice = isinstance(self.message, SpokenMessage) and self.message.is_with_the_voice
        return "synthesizer" if is_with_the_voice else "chat"

    @property
    def awaits_only_tools(self) -> bool:
        """Whether the model has finished, and nothing is missing but results of tools that this server runs."""
        is_said = self.message is None or self.message.complete
        return self._finished is not None and is_said and self._calls.is_any_running

    @property
    def leaves_call(self) -> bool:
        """Whether a tool runs that ends or transfers the telephone call."""
        return any(call.is_running and call.is_of_call for call in self.server_calls)

    @property
    def is_to_be_followed(self) -> bool:
        """Whether the model is to be shown the results of tools, and the client need not act before that."""
        return self.status == "completed" and self._calls.are_all_of_server

    @property
    def runs_approved_calls(self) -> bool:
        """Whether the response consists of calls that the client approved, and of nothing that a model said."""
        return self._runs_approved

    def run(self, tool: ServerTool, request: McpApprovalRequestItem, now_ms: int) -> None:
        """Run a call that the client approved; such a response asks no model."""
        self._runs_approved = True
        self._finished = Finished("tool_calls")
        self._last_progress_ms = now_ms
        self._calls.run(tool, request)

    def take_result(self, returned: ToolReturned, now_ms: int) -> None:
        """Take the result of one of its calls."""
        self._calls.settle(returned)
        self.go_on(now_ms)

    def _finish(self, finished: Finished) -> None:
        self._finished = finished
        is_complete, has_words = finished.reason in COMPLETE, self.message is not None
        self._problem = self._calls.finish(is_complete=is_complete, has_words=has_words)
        if self.message is not None:
            self.message.finish_text()
        elif finished.reason not in COMPLETE and self._can_apologize:
            self._apologize()  # a filter, or thinking up to the limit, left no word

    def _close_when_complete(self) -> None:
        if self._finished is None or (self.message is not None and not self.message.complete):
            return
        if self._calls.is_any_running:
            if self.message is not None and not self.message.closed:
                self.message.close("completed")  # players play an item when those before it are complete
            return
        if self._error is not None:
            self.close("failed", error=self._error)
        elif self._finished.reason not in COMPLETE:
            self.close("incomplete", reason=self._finished.reason)
        elif self._problem:
            self._fail("invalid_tool_call", self._problem)
        elif self.message is None and not self._calls:
            self._fail("empty_answer", "The model gave an empty answer.")
        else:
            self.close("completed")

    def _fail(self, code: str, message: str) -> None:
        self.fail({"type": "server_error", "code": code, "message": message}, self._last_progress_ms)
