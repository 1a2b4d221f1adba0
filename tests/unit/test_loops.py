"""Loops of decoders, cut to one round."""

import pytest

from streamsrv.engines.asr.windows.loops import cut_loop, without_loop

PHRASE = list(range(20, 28))


@pytest.mark.parametrize(
    ("tokens", "cut"),
    [
        ([1, 2, 3], None),
        ([9, 4, 4, 4, 4, 4], None),
        ([9, 4, 4, 4, 4, 4, 4], [9, 4]),
        ([9, *[4, 5] * 6], [9, 4, 5]),
        ([9, *range(20, 28), *range(20, 28)], None),
        ([9, *range(20, 28), *range(20, 28), *range(20, 28)], [9, *range(20, 28)]),
        ([9, *[4] * 6, 7], None),
    ],
)
def test_a_loop_is_cut_to_one_round(tokens, cut):
    assert without_loop(tokens) == cut


@pytest.mark.parametrize(
    ("tokens", "cut"),
    [
        ([], []),
        ([9], [9]),
        ([9, *PHRASE, *PHRASE, *PHRASE, *PHRASE, 20], [9, *PHRASE]),
        ([9, *PHRASE, *PHRASE, *PHRASE, 1, 2], [9, *PHRASE]),
        ([4, 4, 4, 4, 4, 4, 4, 4], [4]),
        ([9, *PHRASE, *PHRASE], [9, *PHRASE, *PHRASE]),
    ],
)
def test_what_follows_a_loop_in_a_finished_text_is_dropped_with_it(tokens, cut):
    assert cut_loop(tokens, ended=True) == cut


@pytest.mark.parametrize(
    ("tokens", "cut"),
    [
        ([], []),
        ([9], [9]),
        ([9, *PHRASE, *PHRASE], [9, *PHRASE]),
        ([9, *PHRASE, *PHRASE, 20, 21], [9, *PHRASE]),
        ([*PHRASE, *PHRASE[:7]], [*PHRASE, *PHRASE[:7]]),
        ([9, *[5, 6, 6] * 2], [9, 5, 6, 6]),
        ([1, 2, 3, 4], [1, 2, 3, 4]),
    ],
)
def test_a_text_that_reached_its_limit_loops_when_its_end_repeats_once(tokens, cut):
    assert cut_loop(tokens, ended=False) == cut
