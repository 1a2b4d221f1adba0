"""Time at work, of something that all sessions share."""

import pytest

from streamsrv.inference.occupancy import Occupancy


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_work_at_the_same_time_counts_once():
    clock = Clock()
    occupancy = Occupancy(clock)
    with occupancy.working():
        clock.now_s += 2
        assert occupancy.now
        with occupancy.working():
            clock.now_s += 3
        assert occupancy.now
        assert occupancy.total_s == 5
    clock.now_s += 10
    assert not occupancy.now
    assert occupancy.total_s == 5
    with occupancy.working():
        clock.now_s += 1
    assert occupancy.total_s == 6


def test_work_that_fails_has_ended():
    occupancy = Occupancy()
    with pytest.raises(KeyError), occupancy.working():
        raise KeyError
    assert not occupancy.now
