"""What the inputs and outputs of a graph are for: by their names, by their shapes, or not known."""

import pytest

from streamsrv.engines.turn.graph_ports import Output, Port, UnknownGraph, find_ports

AUDIO = Port("audio", "tensor(float)", (1, 640))
SCORE = Port("eot", "tensor(float)", (1, 1))


def state(name: str, *shape: int | str | None, kind: str = "tensor(float)") -> Port:
    return Port(name, kind, shape)


@pytest.mark.parametrize(
    ("before", "after"),
    [("h", "hn"), ("state", "new_state"), ("h_in", "h_out"), ("past.key", "present.key"), ("cache", "next_cache")],
)
def test_a_state_and_its_successor_have_the_same_name_but_for_marks(before: str, after: str):
    ports = find_ports([AUDIO, state(before, 1, 64)], [SCORE, state(after, 1, 64)])
    assert ports.states == {before: after}


def test_states_of_different_shapes_are_told_apart_by_them():
    ports = find_ports([state("a", 1, 8), AUDIO, state("b", 2, 8)], [state("x", 2, 8), SCORE, state("y", 1, 8)])
    assert ports.states == {"a": "y", "b": "x"}


def test_states_of_one_shape_and_foreign_names_are_not_guessed():
    with pytest.raises(UnknownGraph, match=r"not known what its inputs a float \[1, 8\]; b float \[1, 8\] are for"):
        find_ports([AUDIO, state("a", 1, 8), state("b", 1, 8)], [SCORE, state("x", 1, 8), state("y", 1, 8)])


def test_an_input_that_nothing_explains_is_named():
    with pytest.raises(UnknownGraph, match=r"not known what its inputs bot_speaking int64 \[1\] are for"):
        find_ports([AUDIO, Port("bot_speaking", "tensor(int64)", (1,))], [SCORE])


def test_the_open_axis_of_the_batch_is_one():
    ports = find_ports([state("h", "batch", 8), AUDIO], [SCORE, state("hn", "batch", 8)])
    assert ports.state_shapes == {"h": (1, 8)}


def test_features_in_place_of_audio_are_refused():
    mel = Port("mel", "tensor(float)", (1, 80, 4))
    with pytest.raises(UnknownGraph, match=r"none of its inputs that are no state \(mel float \[1, 80, 4\]\) is audio"):
        find_ports([mel], [SCORE])


def test_an_output_without_a_usual_name_must_be_named():
    score = Port("y", "tensor(float)", (1, 3))
    with pytest.raises(UnknownGraph, match="the option 'end' must name the one"):
        find_ports([AUDIO], [score])
    ports = find_ports([AUDIO], [score], end=["y[0]", "y[1]"], backchannel="y[2]")
    assert (ports.end, ports.backchannel) == ((Output("y", 0), Output("y", 1)), Output("y", 2))
