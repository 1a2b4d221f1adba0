"""Finds what the inputs and outputs of a streaming model's ONNX graph are for, by their names and shapes. Pure.

A graph takes audio and the state of the call before, and gives probabilities and the new state. Exporters name these
differently: `state_h` and `new_state_h`, `h` and `hn`, `cache_in` and `cache_out`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_MARKS = frozenset("in input out output new next old prev previous past present updated n".split())
"""Parts of a name that tell the state before a call from the one after it."""
_MIN_AUDIO_SAMPLES = 160
"""Fewer numbers in a row are no piece of audio."""
END_NAMES = ("probs", "prob", "probabilities", "probability", "p_end", "end_of_turn", "eot", "end")
"""Names of outputs that are the probability of an end, if an entry names none."""


class UnknownGraph(ValueError):
    """A graph is not that of a streaming end-of-turn model, or its entry must say more about it."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output: its name, onnxruntime's name of its type, and its shape; None or a word: any length."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.type.removeprefix('tensor(').removesuffix(')')} {list(self.shape)}"


@dataclass(frozen=True, slots=True)
class Output:
    """Where scores are found: an output, and the index along its last axis if it holds several kinds of scores."""

    name: str
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Ports:
    """What the inputs and outputs of a graph are for."""

    audio: str
    audio_shape: tuple[int, ...]
    """Shape of the audio of one call; its last axis has the samples."""
    states: Mapping[str, str]
    """The output that becomes each state input in the next call."""
    state_shapes: Mapping[str, tuple[int, ...]]
    state_types: Mapping[str, str]
    end: tuple[Output, ...]
    """Outputs with a probability that the turn is over; the highest counts."""
    backchannel: Output | None

    @property
    def step_samples(self) -> int:
        return self.audio_shape[-1]


def find_ports(
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    *,
    samples: int = 0,
    end: Sequence[str] = (),
    backchannel: str = "",
) -> Ports:
    """Return what each port is for. `samples`: in one call, if the graph does not say; `end`, `backchannel`: outputs.

    An output with several scores is named with the place of one of them: `scores[2]`. Raises `UnknownGraph`.
    """
    wanted = [_output(name, outputs) for name in end] or _default_end(outputs)
    heard_back = _output(backchannel, outputs) if backchannel else None
    scores = {output.name for output in (*wanted, heard_back) if output is not None}
    states = _pair_states(inputs, [port for port in outputs if port.name not in scores])
    audio = _find_audio([port for port in inputs if port.name not in states])
    held = {port.name: port for port in inputs if port.name in states}
    return Ports(
        audio=audio.name,
        audio_shape=_audio_shape(audio, samples),
        states=states,
        state_shapes={name: _fixed(port) for name, port in held.items()},
        state_types={name: port.type for name, port in held.items()},
        end=tuple(wanted),
        backchannel=heard_back,
    )


def _default_end(outputs: Sequence[Port]) -> list[Output]:
    found = [port for name in END_NAMES for port in outputs if port.name.lower() == name]
    if not found:
        raise UnknownGraph(
            f"none of its outputs ({_listed(outputs)}) has one of the names {', '.join(END_NAMES)}: the option 'end' "
            "must name the one with the probability of an end"
        )
    return [Output(found[0].name)]


def _output(named: str, outputs: Sequence[Port]) -> Output:
    match = re.fullmatch(r"(.+?)(?:\[(\d+)\])?", named)
    name, column = (match[1], match[2]) if match else (named, None)
    port = next((port for port in outputs if port.name == name), None)
    if port is None:
        raise UnknownGraph(f"it has no output {name!r}; it has {_listed(outputs)}")
    if column is not None and port.shape and isinstance(last := port.shape[-1], int) and int(column) >= last:
        raise UnknownGraph(f"{named!r} is not in its output {port}")
    return Output(name, None if column is None else int(column))


def _pair_states(inputs: Sequence[Port], outputs: Sequence[Port]) -> dict[str, str]:
    """Return the output of each state input: by the name without marks first, then the only one of that shape."""
    pairs: dict[str, str] = {}
    for port in inputs:
        alike = [output for output in outputs if _key(output.name) == _key(port.name) and _fits(output, port)]
        if len(alike) == 1:
            pairs[port.name] = alike[0].name
    left = [output for output in outputs if output.name not in pairs.values()]
    for port in inputs:
        same = [output for output in left if (output.type, output.shape) == (port.type, port.shape)]
        rivals = [other for other in inputs if (other.type, other.shape) == (port.type, port.shape)]
        if port.name not in pairs and len(same) == 1 and all(other is port or other.name in pairs for other in rivals):
            pairs[port.name] = same[0].name
            left.remove(same[0])
    return pairs


def _key(name: str) -> frozenset[str]:
    return frozenset(re.split(r"[^a-z0-9]+", name.lower())) - _MARKS - {""}


def _fits(output: Port, state: Port) -> bool:
    """Whether an output may be the next state: type and number of axes agree, and lengths where both are known."""
    if output.type != state.type or len(output.shape) != len(state.shape):
        return False
    pairs = zip(output.shape, state.shape, strict=True)
    return all(a == b for a, b in pairs if isinstance(a, int) and isinstance(b, int))


def _find_audio(inputs: Sequence[Port]) -> Port:
    audio = [port for port in inputs if _may_be_audio(port)]
    if len(audio) == 1 and len(inputs) == 1:
        return audio[0]
    if not audio:
        raise UnknownGraph(
            f"none of its inputs that are no state ({_listed(inputs)}) is audio: float32, shape (1, samples)"
        )
    unknown = [port for port in inputs if port is not audio[0]]
    raise UnknownGraph(f"it is not known what its inputs {_listed(unknown)} are for: no output has that state")


def _may_be_audio(port: Port) -> bool:
    if port.type != "tensor(float)" or not 1 <= len(port.shape) <= 3:
        return False
    *axes, last = port.shape
    long_enough = not isinstance(last, int) or last >= _MIN_AUDIO_SAMPLES
    return long_enough and all(axis == 1 or not isinstance(axis, int) for axis in axes)


def _audio_shape(audio: Port, samples: int) -> tuple[int, ...]:
    last = audio.shape[-1]
    if isinstance(last, int) and samples not in (0, last):
        raise UnknownGraph(f"the option 'samples' is {samples}, but its input is {audio}")
    if not isinstance(last, int) and not samples:
        raise UnknownGraph(f"its input {audio} takes any length: the option 'samples' must say how many make a call")
    return (*(1 for _ in audio.shape[:-1]), last if isinstance(last, int) else samples)


def _fixed(port: Port) -> tuple[int, ...]:
    """Return the shape of a state; an open first axis is that of the batch, and 1."""
    shape = [1 if index == 0 and not isinstance(axis, int) else axis for index, axis in enumerate(port.shape)]
    fixed = [axis for axis in shape if isinstance(axis, int)]
    if len(fixed) < len(shape):
        raise UnknownGraph(f"the shape of its state {port} is not fixed, so that nothing can be its beginning")
    return tuple(fixed)


def _listed(ports: Iterable[Port]) -> str:
    return "; ".join(map(str, ports)) or "none"
