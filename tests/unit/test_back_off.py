"""How long a helper process stays away after it has ended."""

from itertools import pairwise

from streamsrv.processes.back_off import FIRST_DELAY_S, MAX_DELAY_S, STEADY_S, BackOff


def test_each_process_that_does_not_last_doubles_the_delay_up_to_a_bound():
    back_off = BackOff()
    delays_s = [back_off.next_s(0.0) for _ in range(100)]
    assert delays_s[0] == FIRST_DELAY_S
    assert all(after == min(2 * before, MAX_DELAY_S) for before, after in pairwise(delays_s))
    assert delays_s[-1] == MAX_DELAY_S


def test_a_process_that_has_worked_for_long_begins_anew():
    back_off = BackOff()
    for _ in range(5):
        back_off.next_s(STEADY_S / 2)
    assert back_off.next_s(STEADY_S) == FIRST_DELAY_S
    assert back_off.next_s(1.0) == 2 * FIRST_DELAY_S
