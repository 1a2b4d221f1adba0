"""The spans of one session: `session` above each `turn`, and below a turn the stages of its answer.

A turn is what the user says or types and what is answered. Its spans are `speech`, `end_of_turn`, `recognize`, `chat`,
`synthesize`, `playback` and `interruption`. Attributes follow the semantic conventions for generative AI where there
are any. Times are of the wall clock, in ns. No method waits.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

Attribute = str | int | float | bool

MAX_ITEMS = 16
"""Items whose turns are remembered until their transcripts come."""


@dataclass(slots=True, eq=False)
class Turn:
    """The open span of a turn."""

    span: "Span"
    start_ns: int
    responses: set[str] = field(default_factory=set[str])
    """Ids of the responses that are in progress."""
    audio_from_ns: int = 0
    """When the first audio of the answer was sent; 0: none was."""
    audio_until_ns: int = 0
    """When the audio sent so far will be played, if it is played at once and in real time."""
    plays: bool = False
    """Whether the transport is still playing the answer."""


@dataclass(slots=True)
class Stage:
    """The open span of a stage."""

    span: "Span"
    start_ns: int
    has_begun: bool = False
    """Whether there was any output."""
    text: list[str] = field(default_factory=list[str])


class SessionTrace:
    """Makes the spans of a session. `with_words`: what is said and answered becomes part of them."""

    def __init__(self, tracer: "Tracer", session_id: str, transport: str, *, with_words: bool) -> None:
        from opentelemetry.trace import SpanKind

        self.with_words = with_words
        self._tracer = tracer
        self._shared: dict[str, Attribute] = {"session.id": session_id, "gen_ai.conversation.id": session_id}
        attributes = {**self._shared, "streamsrv.transport": transport}
        self._span = tracer.start_span("session", kind=SpanKind.SERVER, attributes=attributes)
        self._turn: Turn | None = None
        self._answering: dict[str, Turn] = {}
        """Turns by the ids of their responses, until the answers are done and played."""
        self._stages: dict[tuple[str, str | int], Stage] = {}
        """Open spans of stages, by name and generation or item."""
        self._turns_by_item: dict[str, Turn] = {}

    def describe(self, tracing: object) -> None:
        """Take the `tracing` of the session: `auto`, or an object with workflow_name, group_id and metadata."""
        if not isinstance(tracing, dict):
            return
        given = cast("dict[str, Any]", tracing)
        names = {"workflow_name": "gen_ai.workflow.name", "group_id": "streamsrv.group_id"}
        found = {names[key]: given[key] for key in names if given.get(key) is not None}
        metadata: dict[str, Any] = given.get("metadata") or {}
        for key, value in metadata.items():
            found[f"streamsrv.metadata.{key}"] = value if isinstance(value, Attribute) else json.dumps(value)
        self._shared.update(found)
        self._span.set_attributes(found)
        if self._turn is not None:
            self._turn.span.set_attributes(found)

    def end(self, reason: str) -> None:
        """End all spans."""
        for key in list(self._stages):
            self._end_stage(key, {"streamsrv.cancelled": True})
        for turn in {id(turn): turn for turn in (self._turn, *self._answering.values()) if turn}.values():
            turn.responses.clear()
            turn.plays = False
            self._close(turn)
        self._answering.clear()
        self._turns_by_item.clear()
        self._turn = None
        self._span.set_attribute("streamsrv.end_reason", reason)
        self._span.end()

    def speech_started(self, item_id: str) -> None:
        """The user begins to speak. A reply in progress belongs to the turn before."""
        opened = self._stages.get(("recognize", item_id))
        self._begin_turn(item_id, opened.start_ns if opened else time.time_ns(), spoken=True)

    def turn_ended(self, waited_ms: int) -> None:
        """The turn has ended, `waited_ms` after the last speech."""
        if (turn := self._turn) is None:
            return
        now_ns = time.time_ns()
        spoken_until_ns = max(turn.start_ns, now_ns - waited_ms * 1_000_000)
        self._add("speech", turn, turn.start_ns, spoken_until_ns)
        self._add("end_of_turn", turn, spoken_until_ns, now_ns)

    def committed(self, item_id: str) -> None:
        """Audio became an item; without voice-activity detection this begins the turn."""
        if item_id not in self._turns_by_item:
            self._begin_turn(item_id, time.time_ns(), spoken=True)

    def recognition_opened(self, item_id: str, model: str) -> None:
        """The recognition of an item begins. Its span is made when it is known to which turn it belongs."""
        self._stages["recognize", item_id] = Stage(self._span, time.time_ns(), text=[model])

    def recognition_ended(
        self, item_id: str, text: str = "", error: str = "", *, model: str | None = None, instead_of: str = ""
    ) -> None:
        """The transcript of an item is final, or has failed, or is not wanted any more.

        `model` gave it, `instead_of` another one.
        """
        stage = self._stages.pop(("recognize", item_id), None)
        turn = self._turns_by_item.pop(item_id, None)
        if stage is None or turn is None:
            return
        asked = stage.text[0]
        attributes: dict[str, Attribute] = {"gen_ai.request.model": asked}
        if model is not None:
            attributes["gen_ai.response.model"] = model
        if instead_of:
            attributes["streamsrv.fallback_from"] = instead_of
        if text and self.with_words:
            attributes["streamsrv.transcript"] = text
        span = self._start(f"recognize {asked}", turn, stage.start_ns, attributes)
        self._fail(span, error)
        span.end()

    def generation_started(self, generation: int, model: str, messages: Any, output_type: str) -> None:
        """The language model is asked. `messages` are the context; `output_type` is `speech` or `text`."""
        attributes: dict[str, Attribute] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "streamsrv",
            "gen_ai.request.model": model,
            "gen_ai.output.type": output_type,
        }
        if self.with_words:
            attributes["gen_ai.input.messages"] = json.dumps([_message(m.role, m.content) for m in messages])
        self._open_stage("chat", generation, model, attributes)

    def text(self, generation: int, text: str) -> None:
        """The language model gave text, or part of a function call (without text)."""
        if (stage := self._stages.get(("chat", generation))) is None:
            return
        if not stage.has_begun:
            stage.has_begun = True
            stage.span.set_attribute("gen_ai.response.time_to_first_chunk", (time.time_ns() - stage.start_ns) / 1e9)
            stage.span.add_event("first_token")
        if self.with_words:
            stage.text.append(text)

    def answered_by(self, generation: int, model: str, instead_of: str) -> None:
        """Names the model that answers."""
        if (stage := self._stages.get(("chat", generation))) is not None:
            stage.span.set_attribute("gen_ai.response.model", model)
            if instead_of:
                stage.span.set_attribute("streamsrv.fallback_from", instead_of)

    def usage(self, generation: int, input_tokens: int, output_tokens: int, cached_tokens: int) -> None:
        """The tokens of a generation."""
        if (stage := self._stages.get(("chat", generation))) is not None:
            stage.span.set_attributes(
                {
                    "gen_ai.usage.input_tokens": input_tokens,
                    "gen_ai.usage.output_tokens": output_tokens,
                    "gen_ai.usage.cache_read.input_tokens": cached_tokens,
                }
            )

    def generation_finished(self, generation: int, reason: str) -> None:
        """The language model has answered."""
        if (stage := self._stages.get(("chat", generation))) is not None:
            stage.span.set_attribute("gen_ai.response.finish_reasons", [reason])
            if self.with_words:
                stage.span.set_attribute("gen_ai.output.messages", json.dumps([_message("assistant", *stage.text)]))
        self._end_stage(("chat", generation))

    def segment_started(self, generation: int, model: str, text: str) -> None:
        """A segment is to be spoken."""
        attributes: dict[str, Attribute] = {"gen_ai.request.model": model, "streamsrv.characters": len(text)}
        if self.with_words:
            attributes["streamsrv.text"] = text
        self._open_stage("synthesize", generation, model, attributes)

    def segment_sounded(self, generation: int) -> None:
        """The synthesiser gave audio."""
        stage = self._stages.get(("synthesize", generation))
        if stage is not None and not stage.has_begun:
            stage.has_begun = True
            stage.span.add_event("first_audio")

    def segment_spoken(self, generation: int) -> None:
        """A segment is complete."""
        self._end_stage(("synthesize", generation))

    def generation_ended(self, generation: int, error: str = "") -> None:
        """What is left of a generation is stopped, or has failed."""
        for name in ("chat", "synthesize"):
            key = (name, generation)
            if (stage := self._stages.get(key)) is not None:
                self._fail(stage.span, error)
            self._end_stage(key, {} if error else {"streamsrv.cancelled": True})

    def response_created(self, response_id: str) -> None:
        """A response begins; it belongs to the turn that is going on, or begins one."""
        turn = self._turn or self._begin_turn("", time.time_ns(), spoken=False)
        turn.responses.add(response_id)
        self._answering[response_id] = turn

    def audio_sent(self, response_id: str, seconds: float, *, by_transport: bool) -> None:
        """Audio of a response was sent, or given to the transport that plays it."""
        if (turn := self._answering.get(response_id)) is None:
            return
        now_ns = time.time_ns()
        turn.audio_from_ns = turn.audio_from_ns or now_ns
        turn.audio_until_ns = max(turn.audio_until_ns, now_ns) + round(seconds * 1e9)
        turn.plays = turn.plays or by_transport

    def response_done(self, response_id: str, status: str) -> None:
        """A response is done; its audio may go on."""
        if (turn := self._answering.get(response_id)) is None:
            return
        turn.responses.discard(response_id)
        turn.span.set_attribute("streamsrv.response.status", status)
        if status == "cancelled" and not turn.plays:
            turn.audio_until_ns = min(turn.audio_until_ns, time.time_ns())
        if not turn.plays:
            del self._answering[response_id]
        if turn is self._turn and not turn.responses:
            self._turn = None
        self._close_if_done(turn)

    def playback_ended(self, response_id: str) -> None:
        """The transport has played a response, or was told to drop the rest of it."""
        if (turn := self._answering.pop(response_id, None)) is not None:
            turn.plays = False
            turn.audio_until_ns = time.time_ns()
            if turn.responses:
                self._answering |= dict.fromkeys(turn.responses, turn)
            self._close_if_done(turn)

    def interrupted(self) -> None:
        """The user interrupts the reply; the turn of the interruption has begun."""
        from opentelemetry.trace import Link

        newest = next((turn for turn in reversed(self._answering.values()) if turn is not self._turn), None)
        turn = newest or self._turn
        if turn is not None:
            turn.span.set_attribute("streamsrv.interrupted", True)
            links = [Link(self._turn.span.get_span_context())] if self._turn and self._turn is not turn else None
            start_ns = self._turn.start_ns if self._turn else time.time_ns()
            self._start("interruption", turn, start_ns, links=links).end()

    def _begin_turn(self, item_id: str, start_ns: int, *, spoken: bool) -> Turn:
        before = self._turn
        attributes = {**self._shared, "streamsrv.spoken": spoken}
        self._turn = Turn(self._start("turn", None, start_ns, attributes), start_ns)
        if item_id:
            self._turns_by_item[item_id] = self._turn
            while len(self._turns_by_item) > MAX_ITEMS:
                del self._turns_by_item[next(iter(self._turns_by_item))]
        if before is not None:
            self._close_if_done(before)
        return self._turn

    def _close_if_done(self, turn: Turn) -> None:
        if turn is not self._turn and not turn.responses and not turn.plays:
            self._close(turn)

    def _close(self, turn: Turn) -> None:
        now_ns = time.time_ns()
        if turn.audio_from_ns:
            self._add("playback", turn, turn.audio_from_ns, max(turn.audio_from_ns, turn.audio_until_ns))
        turn.span.end(max(now_ns, turn.audio_until_ns))

    def _open_stage(self, name: str, generation: int, model: str, attributes: dict[str, Attribute]) -> None:
        self._end_stage((name, generation))
        start_ns = time.time_ns()
        span = self._start(f"{name} {model}", self._turn, start_ns, {**self._shared, **attributes})
        self._stages[name, generation] = Stage(span, start_ns)

    def _end_stage(self, key: tuple[str, str | int], attributes: Mapping[str, Attribute] | None = None) -> None:
        stage = self._stages.pop(key, None)
        if stage is not None and stage.span is not self._span:
            stage.span.set_attributes(attributes or {})
            stage.span.end()

    def _add(self, name: str, turn: Turn, start_ns: int, end_ns: int) -> None:
        self._start(name, turn, start_ns).end(end_ns)

    def _start(
        self,
        name: str,
        turn: Turn | None,
        start_ns: int,
        attributes: Mapping[str, Attribute] | None = None,
        links: Any = None,
    ) -> "Span":
        from opentelemetry.trace import SpanKind, set_span_in_context

        parent = set_span_in_context(turn.span if turn is not None else self._span)
        kind = SpanKind.CLIENT if name.startswith("chat ") else SpanKind.INTERNAL
        return self._tracer.start_span(
            name, parent, kind=kind, attributes=dict(attributes or {}), links=links, start_time=start_ns
        )

    def _fail(self, span: "Span", error: str) -> None:
        from opentelemetry.trace import StatusCode

        if error:
            span.set_attribute("error.type", error)
            span.set_status(StatusCode.ERROR)


def _message(role: str, *texts: str) -> dict[str, Any]:
    """Return a message as the semantic conventions write it."""
    return {"role": role, "parts": [{"type": "text", "content": "".join(texts)}]}
