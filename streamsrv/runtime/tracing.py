"""Tells the trace of a session what its core wants done and what its models give. No work for a frame of audio."""

from collections.abc import Callable
from typing import Any

from streamsrv.core import effects, inputs
from streamsrv.core.session import SessionCore
from streamsrv.engines.llm.base import AnsweredBy, Delta, Finished, Text, ToolCallDelta, Usage
from streamsrv.engines.loaded import Engines
from streamsrv.observability.session_trace import SessionTrace
from streamsrv.runtime.core_runner import Actions

Report = Callable[[inputs.Input], None]


class Tracer:
    """Watches the effects of a core, and the reports of the models. `by_transport`: the transport plays the answers."""

    def __init__(self, trace: SessionTrace, core: SessionCore, engines: Engines, *, by_transport: bool) -> None:
        self._trace = trace
        self._core = core
        self._engines = engines
        self._by_transport = by_transport

    def watch(self, actions: Actions) -> Actions:
        """Return the actions; those of stages tell the trace before they run."""
        notes: Actions = {
            effects.SendEvent: self._sent,
            effects.SendAudio: self._audio,
            effects.OpenRecognition: self._recognition_opened,
            effects.DropRecognition: lambda effect: self._trace.recognition_ended(effect.item_id),
            effects.Generate: self._generate,
            effects.Synthesize: self._synthesize,
            effects.StopGeneration: lambda effect: self._trace.generation_ended(effect.generation),
            effects.RecordTurnEnd: lambda effect: self._trace.turn_ended(effect.waited_ms),
            effects.RecordInterruption: lambda _: self._trace.interrupted(),
            effects.RecordEarlyTurnEnd: lambda effect: self._trace.interrupted() if effect.is_answered else None,
        }
        return {**actions, **{kind: _both(note, actions[kind]) for kind, note in notes.items()}}

    def watch_report(self, report: Report) -> Report:
        """Return `report`; results of models are told to the trace before."""

        def watched(happened: inputs.Input) -> None:
            self._reported(happened)
            report(happened)

        return watched

    def _sent(self, effect: effects.SendEvent) -> None:
        fields = effect.fields
        match effect.type:
            case "session.created" | "session.updated":
                self._trace.describe(fields["session"].get("tracing"))
            case "input_audio_buffer.speech_started":
                self._trace.speech_started(fields["item_id"])
            case "input_audio_buffer.committed":
                self._trace.committed(fields["item_id"])
            case "response.created":
                self._trace.response_created(fields["response"]["id"])
            case "response.done":
                self._trace.response_done(fields["response"]["id"], fields["response"]["status"])
            case "output_audio_buffer.stopped" | "output_audio_buffer.cleared":
                self._trace.playback_ended(fields["response_id"])
            case _:
                pass

    def _audio(self, effect: effects.SendAudio) -> None:
        seconds = len(effect.pcm) / effect.sample_rate
        self._trace.audio_sent(effect.event_fields["response_id"], seconds, by_transport=self._by_transport)

    def _recognition_opened(self, effect: effects.OpenRecognition) -> None:
        recognizer = self._engines.recognizers.find(effect.model, effect.options.language)
        self._trace.recognition_opened(effect.item_id, recognizer.name)

    def _generate(self, effect: effects.Generate) -> None:
        session = self._core.session
        model = self._engines.chat_model(session.model).name
        output_type = "speech" if "audio" in session.output_modalities else "text"
        self._trace.generation_started(effect.generation, model, effect.messages, output_type)

    def _synthesize(self, effect: effects.Synthesize) -> None:
        self._trace.segment_started(effect.generation, self._engines.synthesizer.name, effect.text)

    def _reported(self, happened: inputs.Input) -> None:
        match happened:
            case inputs.ModelOutput(generation, delta):
                self._delta(generation, delta)
            case inputs.SpeechOutput(generation):
                self._trace.segment_sounded(generation)
            case inputs.SegmentSpoken(generation):
                self._trace.segment_spoken(generation)
            case inputs.GenerationFailed(generation, failure):
                self._trace.generation_ended(generation, failure.kind)
            case inputs.TranscriptReceived(item_id, transcript):
                if transcript.is_final:
                    replaced = transcript.instead_of.model if transcript.instead_of is not None else ""
                    self._trace.recognition_ended(item_id, transcript.text, model=transcript.model, instead_of=replaced)
            case inputs.RecognitionFailed(item_id, failure):
                self._trace.recognition_ended(item_id, error=failure.kind)
            case _:
                pass

    def _delta(self, generation: int, delta: Delta) -> None:
        match delta:
            case Text():
                self._trace.text(generation, delta.text)
            case ToolCallDelta():
                self._trace.text(generation, "")
            case AnsweredBy():
                self._trace.answered_by(generation, delta.model, delta.fallback.model if delta.fallback else "")
            case Usage():
                self._trace.usage(generation, delta.input_tokens, delta.output_tokens, delta.cached_tokens)
            case Finished():
                self._trace.generation_finished(generation, delta.reason)
            case _:
                pass


def _both(note: Callable[[Any], None], action: Callable[[Any], None]) -> Callable[[Any], None]:
    def run(effect: Any) -> None:
        note(effect)
        action(effect)

    return run
