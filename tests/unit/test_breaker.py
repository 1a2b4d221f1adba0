"""When a model is left out and when it is tried again, on a virtual clock."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from streamsrv.engines.breaker import BreakerLimits, Breakers, CircuitBreaker, Trial
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable

LIMITS = BreakerLimits(failures=3, open_s=5.0, max_open_s=60.0)
DOWN = Unavailable("It is down.")
WRONG_KEY = Unavailable("The key is wrong.", refuses_key=True)
FULL = Overloaded("It is full.")
REFUSED = Rejected("There is no such voice.")


class Timed:
    """A breaker with a clock."""

    def __init__(self, limits: BreakerLimits = LIMITS) -> None:
        self.now_s = 100.0
        self.breaker = CircuitBreaker(limits)

    @property
    def state(self) -> str:
        return self.breaker.state(self.now_s)

    @property
    def admits(self) -> bool:
        return self.breaker.admits(self.now_s)

    def begin(self) -> Trial:
        return self.breaker.begin(self.now_s)

    def fail(self, error: EngineError = DOWN, times: int = 1) -> None:
        for _ in range(times):
            trial = self.begin()
            trial.failed(error, self.now_s)
            trial.end()

    def succeed(self) -> None:
        trial = self.begin()
        trial.succeeded()
        trial.end()


def opened() -> Timed:
    timed = Timed()
    timed.fail(times=3)
    assert timed.state == "open"
    return timed


def test_it_opens_after_failures_in_a_row():
    timed = Timed()
    timed.fail(times=2)
    assert (timed.state, timed.admits) == ("closed", True)
    timed.succeed()
    timed.fail(times=2)
    assert timed.state == "closed"
    timed.fail()
    assert (timed.state, timed.admits) == ("open", False)
    assert timed.breaker.error is DOWN


def test_it_opens_at_once_for_a_key_that_is_refused():
    timed = Timed()
    timed.fail(WRONG_KEY)
    assert timed.state == "open"


def test_an_error_of_the_caller_says_nothing_about_the_model():
    timed = Timed()
    timed.fail(REFUSED, times=10)
    assert (timed.state, timed.breaker.error) == ("closed", None)
    timed.fail(times=2)
    timed.fail(REFUSED)
    timed.fail()
    assert timed.state == "open"


def test_a_model_without_room_has_not_failed():
    timed = Timed()
    timed.fail(FULL, times=10)
    assert timed.state == "closed"


def test_it_opens_for_as_long_as_a_provider_wants_not_to_be_asked():
    timed = Timed()
    timed.fail(Overloaded("It is full.", retry_after_s=7.0))
    assert timed.state == "open"
    timed.now_s += 6.9
    assert not timed.admits
    timed.now_s += 0.2
    assert timed.state == "half_open"
    timed.succeed()
    assert timed.state == "closed"


def test_a_provider_that_wants_not_to_be_asked_for_days_is_tried_again_after_the_longest_time():
    timed = Timed()
    timed.fail(Overloaded("It is full.", retry_after_s=1e6))
    timed.now_s += LIMITS.max_open_s
    assert timed.admits


def test_one_request_at_a_time_probes_it():
    timed = opened()
    timed.now_s += 4.9
    assert (timed.state, timed.admits) == ("open", False)
    timed.now_s += 0.2
    assert (timed.state, timed.admits) == ("half_open", True)
    probe = timed.begin()
    assert (timed.state, timed.admits) == ("half_open", False)
    timed.begin().end()  # a request that nothing else could take
    assert not timed.admits
    probe.succeeded()
    assert (timed.state, timed.admits, timed.breaker.error) == ("closed", True, None)
    timed.fail(times=2)
    assert timed.state == "closed"


def test_a_failed_probe_opens_it_for_twice_as_long_up_to_a_bound():
    timed = opened()
    for open_s in (5, 10, 20, 40, 60, 60):
        timed.now_s += open_s - 0.1
        assert timed.state == "open"
        timed.now_s += 0.2
        assert timed.state == "half_open"
        timed.fail()
    timed.now_s += 60
    timed.succeed()
    timed.fail(times=3)
    timed.now_s += 5.1
    assert timed.state == "half_open"


def test_a_probe_without_room_opens_it_for_as_long_again():
    timed = opened()
    for _ in range(4):
        timed.now_s += 5.1
        assert timed.state == "half_open"
        timed.fail(FULL)
        assert timed.state == "open"


@pytest.mark.parametrize("error", [None, REFUSED])
def test_a_probe_without_an_outcome_makes_room_for_the_next(error: EngineError | None):
    timed = opened()
    timed.now_s += 5.1
    probe = timed.begin()
    if error is not None:
        probe.failed(error, timed.now_s)
    assert not timed.admits
    probe.end()
    probe.end()
    assert (timed.state, timed.admits) == ("half_open", True)
    timed.begin()
    probe.end()
    assert not timed.admits


def test_what_began_before_it_opened_says_nothing_about_now():
    timed = Timed()
    old = [timed.begin() for _ in range(6)]
    for trial in old[:5]:
        trial.failed(DOWN, timed.now_s)
    timed.now_s += 5.1
    assert timed.state == "half_open"  # the failures after the third did not prolong it
    old[3].failed(DOWN, timed.now_s)
    assert timed.state == "half_open"
    old[5].succeeded()
    assert timed.state == "half_open"


def test_a_request_that_nothing_else_could_take_closes_it_if_it_succeeds():
    timed = opened()
    timed.fail()
    assert timed.state == "open"
    timed.succeed()
    assert timed.state == "closed"


def test_a_model_that_answers_and_then_breaks_off_has_failed():
    timed = Timed(BreakerLimits(failures=1, open_s=30.0))
    trial = timed.begin()
    trial.succeeded()
    trial.failed(DOWN, timed.now_s)
    assert timed.state == "open"
    timed.now_s += 31
    probe = timed.begin()
    probe.succeeded()
    probe.failed(DOWN, timed.now_s)
    assert timed.state == "open"


def test_all_sessions_of_a_process_share_the_breaker_of_a_model():
    now_s = 0.0
    breakers = Breakers(lambda: now_s, {"chat": BreakerLimits(failures=1)})
    breakers.of("chat", "a").begin(now_s).failed(DOWN, now_s)
    assert [breakers.state("chat", "a"), breakers.state("recognizer", "a")] == ["open", "closed"]
    assert breakers.of("chat", "a") is breakers.of("chat", "a")
    assert list(breakers) == [("chat", "a"), ("recognizer", "a")]
    breakers.of("recognizer", "a").begin(now_s).failed(DOWN, now_s)
    assert breakers.state("recognizer", "a") == "closed"
    breakers.renew("chat", "a")
    assert breakers.state("chat", "a") == "closed"


class AnyHistory(RuleBasedStateMachine):
    """Requests that begin, end, succeed and fail in any order, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.timed = Timed()
        self.trials: list[Trial] = []
        self.probes: list[Trial] = []  # admitted while half open, and neither ended nor decided
        self.in_a_row = 0

    @rule(seconds=st.floats(0, 200))
    def wait(self, seconds: float) -> None:
        self.timed.now_s += seconds

    @rule()
    def begin(self) -> None:
        is_probe = self.timed.state == "half_open" and self.timed.admits
        trial = self.timed.begin()
        self.trials.append(trial)
        if is_probe:
            self.probes.append(trial)

    @rule(data=st.data(), error=st.sampled_from([None, DOWN, WRONG_KEY, FULL, REFUSED]))
    def tell(self, data: st.DataObject, error: EngineError | None) -> None:
        if not self.trials:
            return
        trial = data.draw(st.sampled_from(self.trials))
        state, was_probe = self.timed.state, trial in self.probes
        if error is None:
            trial.succeeded()
        else:
            trial.failed(error, self.timed.now_s)
        if was_probe and error is None:
            assert self.timed.state == "closed"
        elif was_probe and error is not REFUSED:
            assert self.timed.state == "open"
        elif error in (FULL, REFUSED):
            assert self.timed.state == state
        if self.timed.state != "half_open":
            self.probes.clear()

    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        if self.trials:
            trial = data.draw(st.sampled_from(self.trials))
            trial.end()
            self.trials.remove(trial)
            if trial in self.probes:
                self.probes.remove(trial)

    @invariant()
    def one_request_probes_at_a_time(self) -> None:
        assert len(self.probes) <= 1
        if self.timed.state == "half_open":
            assert self.timed.admits == (not self.probes)
        else:
            assert self.timed.admits == (self.timed.state == "closed")

    @invariant()
    def it_is_tried_again_after_the_longest_time(self) -> None:
        assert self.timed.breaker.state(self.timed.now_s + LIMITS.max_open_s) != "open"


AnyHistory.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyHistory = AnyHistory.TestCase
