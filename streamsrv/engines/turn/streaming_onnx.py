"""Streaming end-of-turn models on onnxruntime: a graph that takes some audio and its own state, call after call.

`graph_ports.py` finds out what the inputs and outputs are for. All states begin with zeros.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamsrv.audio.pcm import to_float
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.engines.turn.base import TurnScore
from streamsrv.engines.turn.calibration import Point, interpolate, problem
from streamsrv.engines.turn.graph_ports import Output, Port, Ports, UnknownGraph, find_ports
from streamsrv.errors import Unavailable
from streamsrv.inference.onnx import open_session

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
          "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StreamingOptions:
    """The options of an entry."""

    samples: Annotated[int, Field(ge=0, le=4 * SPEECH_RATE_HZ)] = 0
    """Samples (16 kHz) of one call, for a graph that takes any length."""
    end: list[str] | None = None
    """The outputs with the probability of an end, of which the highest counts; None: the one with a usual name."""
    backchannel: str = ""
    """The output with the probability that speech is a backchannel. `scores[2]`: the third score of an output."""
    is_logit: bool = False
    """Whether the scores are log odds, not probabilities."""
    context_ms: Annotated[int, Field(ge=0, le=2000)] = 500
    """Audio from before the user's speech that the model hears first."""
    calibration: list[list[float]] | None = None
    """Points [probability, evidence], as `benchmarks/calibrate_turn.py` prints them."""


def load(entry: ModelEntry, context: LoadContext) -> "StreamingOnnx":
    """Load the entry's only file, a graph; see `StreamingOptions`."""
    options = read_options(StreamingOptions, entry)
    if wrong := problem(options.calibration or []):
        raise Unavailable(f"The options of {entry.name} are wrong: calibration: {options.calibration}: {wrong}")
    if len(context.files) != 1:
        raise Unavailable(f"{entry.name} must have one weight file, the ONNX graph; it has {len(context.files)}")
    [graph] = context.files.values()
    return StreamingOnnx(entry.name, graph, options)


class StreamingOnnx:
    """A `turn.base.StreamingTurnModel` with one onnxruntime session, which all threads use at once."""

    def __init__(self, name: str, graph: Path, options: StreamingOptions) -> None:
        self.name = name
        self.context_ms = options.context_ms
        self._is_logit = options.is_logit
        self._calibration: list[Point] = [
            (probability, evidence) for probability, evidence in options.calibration or []
        ]
        try:
            self._session: Any = open_session(graph)
        except Exception as error:
            raise Unavailable(f"{name} could not be loaded: {error}") from error
        try:
            self.ports = find_ports(
                _ports(self._session.get_inputs()),
                _ports(self._session.get_outputs()),
                samples=options.samples,
                end=options.end or (),
                backchannel=options.backchannel,
            )
            self._initial = {name: _zeros(name, self.ports) for name in self.ports.states}
        except UnknownGraph as error:
            raise Unavailable(f"{name}: its graph cannot be used: {error}") from error
        self.step_ms = self.ports.step_samples * 1000 / SPEECH_RATE_HZ
        scores = [*self.ports.end, *([self.ports.backchannel] if self.ports.backchannel else [])]
        self._fetched = list(dict.fromkeys([*(score.name for score in scores), *self.ports.states.values()]))
        self.open().feed(np.zeros(self.ports.step_samples, np.int16))  # a graph that cannot run is told here

    def evidence(self, probability: float) -> float:
        """Return the evidence by the points of the entry; without points, the probability itself."""
        return interpolate(self._calibration, probability)

    def open(self) -> "OnnxStream":
        """Return a stream that has heard nothing."""
        return OnnxStream(self)

    def step(
        self, samples: NDArray[np.float32], state: dict[str, Any]
    ) -> tuple[list[float], list[float] | None, dict[str, Any]]:
        """Run the graph; return the probabilities of an end and of a backchannel in its frames, and the new state."""
        audio = samples.reshape(self.ports.audio_shape)
        results = dict(
            zip(self._fetched, self._session.run(self._fetched, {self.ports.audio: audio, **state}), strict=True)
        )
        ends = [self._scores(results, output) for output in self.ports.end]
        if len({len(scores) for scores in ends}) > 1:
            raise ValueError(f"{self.name} gives {' and '.join(str(len(scores)) for scores in ends)} scores of a step")
        end = np.max(np.stack(ends), axis=0)
        heard_back = None
        if self.ports.backchannel is not None:
            heard_back = self._scores(results, self.ports.backchannel)
            if len(heard_back) != len(end):
                raise ValueError(
                    f"{self.name} gives {len(end)} scores of the end and {len(heard_back)} of backchannels"
                )
        new = {name: results[output] for name, output in self.ports.states.items()}
        return end.tolist(), None if heard_back is None else heard_back.tolist(), new

    def initial_state(self) -> dict[str, Any]:
        return dict(self._initial)

    def _scores(self, results: dict[str, Any], output: Output) -> NDArray[np.float64]:
        """Return the scores of the frames of a step as probabilities."""
        values = np.asarray(results[output.name], np.float64)
        scores = np.ravel(values if output.column is None else values[..., output.column])
        if self._is_logit:
            scores = 1 / (1 + np.exp(-np.clip(scores, -60, 60)))
        if not len(scores) or not np.all((scores >= 0) & (scores <= 1)):
            told = "" if self._is_logit else "; if they are log odds, the option 'is_logit' must say so"
            raise ValueError(f"{self.name} gives {scores[:4].tolist()} as {output.name}, no probabilities{told}")
        return scores


class OnnxStream:
    """A `turn.base.TurnStream`. It takes any number of samples, and runs the graph when they fill a step."""

    def __init__(self, model: StreamingOnnx) -> None:
        self._model = model
        self.reset()

    def feed(self, pcm: NDArray[np.int16]) -> Sequence[TurnScore]:
        """Take the next audio; return a score for each frame of the steps that are now complete."""
        self._waiting = np.concatenate((self._waiting, to_float(pcm)))
        step, found = self._model.ports.step_samples, list[TurnScore]()
        while len(self._waiting) >= step:
            samples, self._waiting = self._waiting[:step], self._waiting[step:]
            ends, heard_back, self._state = self._model.step(samples, self._state)
            for frame, end in enumerate(ends, start=1):
                until_ms = (self._heard + step * frame / len(ends)) * 1000 / SPEECH_RATE_HZ
                found.append(TurnScore(round(until_ms), end, heard_back[frame - 1] if heard_back else None))
            self._heard += step
        return found

    def told(self, agent: str) -> None:
        """Ignore the agent's words: these models only hear."""

    def reset(self) -> None:
        """Begin with a state of zeros and without audio."""
        self._state = self._model.initial_state()
        self._waiting = np.zeros(0, np.float32)
        self._heard = 0


def _ports(described: Sequence[Any]) -> list[Port]:
    return [Port(port.name, port.type, tuple(port.shape)) for port in described]


def _zeros(name: str, ports: Ports) -> NDArray[Any]:
    kind = ports.state_types[name]
    if kind not in _TYPES:
        raise UnknownGraph(f"its state {name} is of type {kind}; accepted: {', '.join(_TYPES)}")
    return np.zeros(ports.state_shapes[name], _TYPES[kind])
