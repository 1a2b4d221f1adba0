"""All responses of a session: created, waiting for words, generating, interrupted; and what of them was heard. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec
from msgspec import UNSET

from streamsrv.core.answers.output_items import WORD_EVENTS, ResponsePlan, SpokenMessage
from streamsrv.core.answers.response import Response
from streamsrv.core.answers.speculation import Speculation
from streamsrv.core.conversation import Conversation, to_messages, unknown_call
from streamsrv.core.effects import ClearTimer, Generate, RecordSpeculation, RecordTurn, SetTimer, StopGeneration
from streamsrv.core.inputs import Failure, SpeechOutput
from streamsrv.core.latency import Timeline
from streamsrv.core.outbox import Outbox
from streamsrv.core.playback.output_buffer import OutputAudio
from streamsrv.core.rate_limit import RateLimit
from streamsrv.core.timers import ResponseTimeout
from streamsrv.engines.llm.base import ChatOptions, Delta, Tool
from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.protocol.client_events import ResponseOptions
from streamsrv.protocol.errors import ProtocolError, from_validation
from streamsrv.protocol.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputText,
    Item,
    ItemReference,
    MessageItem,
    check_item,
    refuse_audio,
)
from streamsrv.protocol.session_object import AudioOutput, NamedFunction, Session, VoiceId, check_available

STALL_MS = 30_000
"""A response without any progress for this long has failed."""
MAX_GUESSES = 3
"""Answers begun in the pauses of one turn: each is a request to the model, and later ones are rarely used."""
MAX_PARALLEL = 8
"""Responses at once in one session: one in the conversation, the others out-of-band."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What to ask the model once all its input has words; `items` None: the conversation as it then is."""

    instructions: str
    items: list[Item] | None
    tools: tuple[Tool, ...]
    options: ChatOptions

    def to_generate(self, generation: int, items: Iterable[Item], conversation: Conversation) -> Generate:
        """The question about these items; what is still being said is not in it."""
        said = [item for item in items if item.status != "in_progress"]
        messages = to_messages(self.instructions, said, conversation.message)
        return Generate(generation, messages, self.tools, self.options)


class Responses:
    """The live responses by generation; a generation that is not here any more is stale."""

    def __init__(
        self, conversation: Conversation, outbox: Outbox, rate_limit: RateLimit, output_audio: OutputAudio
    ) -> None:
        self._conversation = conversation
        self._outbox = outbox
        self._output_audio = output_audio
        self._rate_limit = rate_limit
        self._generation = 0
        self._live: dict[int, Response] = {}
        self._waiting: dict[int, _Request] = {}
        self._unplayed: dict[str, Timeline] = {}  # of answers that ended before their audio was heard of, by item
        self._ended = False
        self._speculation: Speculation | None = None
        self._guesses = 0  # in this turn of the user

    def __contains__(self, generation: int) -> bool:
        return generation in self._live or self._is_speculative(generation)

    @property
    def active(self) -> Response | None:
        """The response that belongs to the conversation, if one is going on."""
        return next((response for response in self._live.values() if response.plan.in_conversation), None)

    @property
    def speculating(self) -> bool:
        return self._speculation is not None

    def create(self, options: ResponseOptions, session: Session, now_ms: int, timeline: Timeline | None = None) -> None:
        """Start a response; its generation waits for `start_ready`. Raises `ProtocolError`."""
        in_conversation = options.conversation != "none"
        if in_conversation and self.active is not None:
            raise ProtocolError(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.active.plan.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if len(self._live) >= MAX_PARALLEL:
            raise ProtocolError("invalid_value", f"At most {MAX_PARALLEL} responses may be in progress.", "response")
        items = self._resolve(options.input)
        plan = self._plan(options, session, in_conversation)
        self._rate_limit.take(now_ms)
        generation = self._next_generation()
        timeline = timeline or Timeline()
        self._live[generation] = Response(plan, generation, self._conversation, self._outbox, timeline, now_ms)
        self._waiting[generation] = _request(options, session, items)
        self._outbox.emit(SetTimer(ResponseTimeout(generation), STALL_MS))

    def start_ready(self, unheard: Collection[str], now_ms: int) -> None:
        """Ask the model for every waiting response whose input has no item in `unheard`."""
        for generation, request in list(self._waiting.items()):
            items = self._conversation.items if request.items is None else request.items
            if any(item.id in unheard for item in items):
                continue
            del self._waiting[generation]
            question = request.to_generate(generation, items, self._conversation)
            guess, response = self._speculation, self._live[generation]
            if guess is not None and guess.answers(question, response.plan.spoken_as):
                self._adopt(guess, response, now_ms)
            else:
                self._outbox.emit(question)

    def begin_turn(self) -> None:
        """The user has the floor."""
        self._guesses = 0

    def speculate(self, text: str, session: Session, now_ms: int) -> None:
        """Begin the answer that would follow if the user's turn ended with these words, unless that costs too much."""
        item = MessageItem(role="user", content=[InputText(text)])
        options = ResponseOptions()
        request = _request(options, session, [*self._conversation.items, item])
        question = request.to_generate(self._generation + 1, request.items or [], self._conversation)
        speech = self._plan(options, session, in_conversation=True).spoken_as
        if self._speculation is not None and self._speculation.answers(question, speech):
            return
        self.discard_speculation()
        if self._guesses >= MAX_GUESSES or not self._rate_limit.take_spare(now_ms):
            return
        self._guesses += 1
        self._speculation = Speculation(replace(question, generation=self._next_generation()), speech)
        self._outbox.emit(self._speculation.asked)

    def discard_speculation(self) -> None:
        """The turn goes on, or ended with other words."""
        guess, self._speculation = self._speculation, None
        if guess is not None:
            self._outbox.emit(StopGeneration(guess.generation))
            self._outbox.emit(RecordSpeculation(guess.tokens, used=False))

    def take(self, generation: int, delta: Delta, now_ms: int) -> None:
        if self._speculation is not None and self._is_speculative(generation):
            self._speculation.take(delta, self._outbox, now_ms)
            return
        response = self._live[generation]
        had_message = response.message is not None
        response.take(delta, now_ms)
        if isinstance(response.message, SpokenMessage) and not had_message:
            plan = response.plan
            self._output_audio.add(
                response.message, response_id=plan.id, in_conversation=plan.in_conversation, now_ms=now_ms
            )
        self._forget_if_done(response, now_ms)

    def go_on(self, generation: int, now_ms: int) -> None:
        """Enough was played for more of the response to be spoken."""
        self._live[generation].go_on(now_ms)
        self._forget_if_done(self._live[generation], now_ms)

    def take_speech(self, speech: SpeechOutput, now_ms: int) -> None:
        if self._speculation is not None and self._is_speculative(speech.generation):
            self._speculation.audio.append(speech)
        else:
            self._live[speech.generation].take_speech(speech, now_ms)

    def segment_spoken(self, generation: int, now_ms: int) -> None:
        if self._speculation is not None and self._is_speculative(generation):
            self._speculation.spoken = True
            return
        response = self._live[generation]
        response.segment_spoken(now_ms)
        self._forget_if_done(response, now_ms)

    def fail(self, generation: int, failure: Failure, now_ms: int) -> None:
        """A stage of the response failed for good: end it and say why."""
        if self._is_speculative(generation):
            self.discard_speculation()  # a response would ask again
            return
        response = self._live[generation]
        code = "rate_limit_exceeded" if failure.kind == "overloaded" else "server_error"
        kind = "server_error"
        if failure.kind == "rejected":
            kind, code = "invalid_request_error", failure.code or "rejected"
        response.close("failed", error={"type": kind, "code": code, "message": failure.message})
        self._forget_if_done(response, now_ms)

    def cancel(self, response_id: str | None, now_ms: int) -> None:
        """Cancel the named response, or the one in the conversation. Raises `ProtocolError`."""
        live = self._live.values()
        found = self.active if response_id is None else next((r for r in live if r.plan.id == response_id), None)
        if found is None:
            raise ProtocolError("response_cancel_not_active", "Cancellation failed: no active response found.")
        found.close("cancelled", reason="client_cancelled")
        self._forget_if_done(found, now_ms)

    def interrupt(self, now_ms: int) -> bool:
        """The user spoke up: stop answering, and keep in the context only the words that were heard.

        Returns whether an answer was stopped of which the user has heard nothing yet.
        """
        unheard = False
        if (active := self.active) is not None:
            unheard = not (isinstance(active.message, SpokenMessage) and active.message.ledger.sent_ms)
            active.close("cancelled", reason="turn_detected")
            self._forget_if_done(active, now_ms)
        self._output_audio.interrupt(now_ms)
        self._record_unplayed()
        return unheard

    def clear_output(self, now_ms: int) -> None:
        """The client wants silence: an answer that still goes on ends. Raises `ProtocolError`."""
        self._output_audio.check_clearable()
        if self.active is not None and isinstance(self.active.message, SpokenMessage):
            self.cancel(None, now_ms)
        self._output_audio.interrupt(now_ms)

    def playback_began(self, item_id: str, now_ms: int) -> None:
        """The first audio of an item is played: the last stage of its turn."""
        if (timeline := self._unplayed.pop(item_id, None)) is not None:
            timeline.mark("first_played", now_ms)
            self._outbox.emit(RecordTurn(timeline.latencies()))
            return
        for response in self._live.values():
            if isinstance(response.message, SpokenMessage) and response.message.item.id == item_id:
                response.timeline.mark("first_played", now_ms)

    def _record_unplayed(self) -> None:
        """Nothing will be heard of these answers any more."""
        for timeline in self._unplayed.values():
            self._outbox.emit(RecordTurn(timeline.latencies()))
        self._unplayed.clear()

    def check_progress(self, generation: int, now_ms: int) -> None:
        """End a response that made no progress within `STALL_MS`; if it did, or none is due, look again later."""
        idle_ms = 0 if generation in self._waiting else now_ms - self._live[generation].idle_since_ms
        if idle_ms < STALL_MS:
            self._outbox.emit(SetTimer(ResponseTimeout(generation), STALL_MS - idle_ms))
        else:
            message = f"The model made no progress for {STALL_MS // 1000} seconds."
            self.fail(generation, Failure("unavailable", message), now_ms)

    def take_ended(self) -> bool:
        """Whether a response of the conversation ended since this was last asked."""
        ended, self._ended = self._ended, False
        return ended

    def _is_speculative(self, generation: int) -> bool:
        return self._speculation is not None and self._speculation.generation == generation

    def _next_generation(self) -> int:
        self._generation += 1
        return self._generation

    def _adopt(self, guess: Speculation, response: Response, now_ms: int) -> None:
        """What was guessed is the answer: give it to the response, which goes on under its generation."""
        self._speculation = None
        self._rate_limit.give_back(now_ms)  # the response was counted, too
        self._outbox.emit(RecordSpeculation(guess.tokens, used=True))
        self._outbox.emit(ClearTimer(ResponseTimeout(response.generation)))
        del self._live[response.generation]
        response.generation = guess.generation
        response.timeline.adopt(guess.timeline)
        self._live[guess.generation] = response
        self._outbox.emit(SetTimer(ResponseTimeout(guess.generation), STALL_MS))
        for delta in guess.deltas:
            self.take(guess.generation, delta, now_ms)
        if guess.synthesis is not None:
            self._outbox.withdraw(guess.synthesis)
        for speech in guess.audio:
            self.take_speech(speech, now_ms)
        if guess.spoken:
            self.segment_spoken(guess.generation, now_ms)

    def _forget_if_done(self, response: Response, now_ms: int) -> None:
        if not response.done:
            return
        generation = response.generation
        del self._live[generation]
        self._ended = self._ended or response.plan.in_conversation
        self._waiting.pop(generation, None)
        self._outbox.emit(StopGeneration(generation))
        self._outbox.emit(ClearTimer(ResponseTimeout(generation)))
        self._outbox.send("rate_limits.updated", rate_limits=[self._rate_limit.to_wire(now_ms)])
        if isinstance(response.message, SpokenMessage):
            self._output_audio.close(response.message, completed=response.status == "completed")
        if latencies := response.timeline.latencies():
            message = response.message
            if self._output_audio.can_hold and isinstance(message, SpokenMessage) and not message.ledger.reported:
                self._record_unplayed()
                self._unplayed[message.item.id] = response.timeline
            else:
                self._outbox.emit(RecordTurn(latencies))

    def _resolve(self, given: list[Item | ItemReference] | None) -> list[Item] | None:
        if given is None:
            return None
        items: list[Item] = []
        for index, item in enumerate(given):
            if not isinstance(item, ItemReference):
                check_item(item, f"response.input[{index}]")
                refuse_audio(item, f"response.input[{index}]")
                if isinstance(item, FunctionCallItem):
                    item.call_id = item.call_id or self._outbox.new_id("call")
            items.append(self._conversation.get(item.id, "retrieve") if isinstance(item, ItemReference) else item)
        calls = {item.call_id for item in items if isinstance(item, FunctionCallItem)}
        for index, item in enumerate(items):
            if isinstance(item, FunctionCallOutputItem) and item.call_id not in calls:
                raise unknown_call(item.call_id, "response.input", f"response.input[{index}].call_id")
        return items

    def _plan(self, options: ResponseOptions, session: Session, in_conversation: bool) -> ResponsePlan:
        output = _audio_output(options, session)
        modalities = session.output_modalities if options.output_modalities is UNSET else options.output_modalities
        max_tokens = session.max_output_tokens if options.max_output_tokens is UNSET else options.max_output_tokens
        voice = output.voice.id if isinstance(output.voice, VoiceId) else output.voice
        return ResponsePlan(
            id=self._outbox.new_id("resp"),
            modality="audio" if "audio" in modalities else "text",
            format=output.format,
            speech=SpeechOptions(voice=voice, speed=output.speed),
            max_output_tokens=max_tokens,
            metadata=options.metadata,
            in_conversation=in_conversation,
            times_words=session.wants(WORD_EVENTS),
        )


def _request(options: ResponseOptions, session: Session, items: list[Item] | None) -> _Request:
    tools = session.tools if options.tools is UNSET else options.tools
    choice = session.tool_choice if options.tool_choice is UNSET else options.tool_choice
    max_tokens = session.max_output_tokens if options.max_output_tokens is UNSET else options.max_output_tokens
    parallel = session.parallel_tool_calls if options.parallel_tool_calls is UNSET else options.parallel_tool_calls
    instructions = session.instructions if options.instructions in (UNSET, None) else options.instructions
    return _Request(
        instructions=instructions,
        items=items,
        tools=tuple(Tool(tool.name, tool.description, tool.parameters) for tool in tools),
        options=ChatOptions(
            max_output_tokens=None if max_tokens == "inf" else max_tokens,
            tool_choice=choice.name if isinstance(choice, NamedFunction) else choice,
            parallel_tool_calls=parallel is not False,
        ),
    )


def _audio_output(options: ResponseOptions, session: Session) -> AudioOutput:
    if options.audio is UNSET:
        return session.audio.output
    merged: dict[str, Any] = msgspec.to_builtins(session.audio.output)
    given: Any = options.audio.get("output")
    merged |= cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    try:
        output = msgspec.convert(merged, AudioOutput)
    except msgspec.ValidationError as error:
        raise from_validation(error, merged, AudioOutput, "response.audio.output") from None
    check_available(output.format, "response.audio.output.format")
    return output
