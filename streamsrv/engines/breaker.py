"""Circuit breakers: a model that keeps failing is left out for a while, then tried again by one request. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable

State = Literal["closed", "open", "half_open"]
"""`closed`: the model is used. `open`: it is left out. `half_open`: one request may try it again."""

MAX_DOUBLINGS = 64
"""More doublings of any time are beyond every limit."""


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens, and for how long."""

    failures: int = 3
    """Failures in a row that open it."""
    open_s: float = 5.0
    """Seconds that it stays open the first time; each failed probe doubles them."""
    max_open_s: float = 120.0
    """Longest time that it stays open, in seconds."""


class CircuitBreaker:
    """Decides whether a model is used, from the outcomes of its requests. All times are `now_s`, of one clock.

    It opens after `limits.failures` failures in a row, or after one that only the operator can mend (a refused key).
    After its open time one request at a time probes the model: if that succeeds the breaker closes, else it opens for
    twice as long. Where nothing else is left to try, a request may be made that the breaker does not admit; its success
    closes the breaker, too.
    """

    def __init__(self, limits: BreakerLimits | None = None) -> None:
        self.error: EngineError | None = None
        """That of the newest failed request; None once a request has succeeded."""
        self._limits = limits or BreakerLimits()
        self._failures = 0  # in a row
        self._openings = 0  # since a request succeeded
        self._is_open = False
        self._open_until_s = 0.0
        self._probe: Trial | None = None
        self._generation = 0  # counts openings and closings: what began before one says nothing about what is now

    def state(self, now_s: float) -> State:
        """Return the state."""
        if not self._is_open:
            return "closed"
        return "half_open" if now_s >= self._open_until_s else "open"

    def admits(self, now_s: float) -> bool:
        """Return whether the model should get a request now: the breaker is closed, or wants a probe."""
        state = self.state(now_s)
        return state == "closed" or (state == "half_open" and self._probe is None)

    def begin(self, now_s: float) -> "Trial":
        """Begin a request, which is the probe if one is wanted. The caller tells its outcome, and ends it."""
        trial = Trial(self, self._generation)
        if self.state(now_s) == "half_open" and self._probe is None:
            self._probe = trial
        return trial

    def succeed(self, trial: "Trial") -> None:
        """Record that the model answered; see `Trial`."""
        if trial.generation != self._generation:
            return
        self.error = None
        self._failures = self._openings = 0
        if self._is_open:
            self._is_open, self._probe = False, None
            self._generation += 1
            trial.generation = self._generation

    def fail(self, trial: "Trial", error: EngineError, now_s: float) -> None:
        """Record that the model did not answer; see `Trial`."""
        if trial.generation != self._generation or isinstance(error, Rejected):
            return
        if isinstance(error, Overloaded):
            if error.retry_after_s:
                self._open_for(now_s, error.retry_after_s)
            elif trial is self._probe:
                self._open(now_s, self._openings - 1)
            return
        self.error = error
        self._failures += 1
        is_for_good = isinstance(error, Unavailable) and error.refuses_key
        if trial is self._probe or (not self._is_open and (is_for_good or self._failures >= self._limits.failures)):
            self._open(now_s, self._openings)
            self._openings += 1

    def end(self, trial: "Trial") -> None:
        """End a request. If it was a probe and has no outcome, the next request is the probe."""
        if trial is self._probe:
            self._probe = None

    def _open(self, now_s: float, doublings: int) -> None:
        self._open_for(now_s, self._limits.open_s * 2 ** min(doublings, MAX_DOUBLINGS))

    def _open_for(self, now_s: float, open_s: float) -> None:
        self._open_until_s = now_s + min(open_s, self._limits.max_open_s)
        self._is_open, self._probe, self._failures = True, None, 0
        self._generation += 1


class Trial:
    """One request to a model: tell its outcome, then `end` it. A request that the caller dropped has no outcome.

    `failed` with `Rejected` is none either, because the fault lies in the request. `Overloaded` is no failure; after a
    probe the breaker opens for as long as before, and if the provider said when to ask again, until then. A request
    that has succeeded may still fail.
    """

    def __init__(self, breaker: CircuitBreaker, generation: int) -> None:
        self.generation = generation
        """That of the breaker when the request began."""
        self._breaker = breaker

    def succeeded(self) -> None:
        """The model answered."""
        self._breaker.succeed(self)

    def failed(self, error: EngineError, now_s: float) -> None:
        """The model did not answer."""
        self._breaker.fail(self, error, now_s)

    def end(self) -> None:
        """The request is over; safe to call twice."""
        self._breaker.end(self)


def problem(model: str, error: EngineError | None) -> str:
    """Say in a sentence what is wrong with a model, for everybody: without the provider's own words."""
    if isinstance(error, Unavailable) and error.refuses_key:
        return f"{model} refuses its key."
    return f"{model} does not answer."


LIMITS: Mapping[str, BreakerLimits] = {
    "chat": BreakerLimits(failures=1, open_s=30.0),
    "synthesizer": BreakerLimits(failures=2, open_s=10.0),
}
"""Limits by stage, where they are not the usual ones: an answer cannot wait for the timeout of a language model, or
again and again for that of a voice."""


class Breakers:
    """The breakers of all models of a process, by stage and model name. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float], limits: Mapping[str, BreakerLimits] = LIMITS) -> None:
        self.clock = clock
        self._limits = limits
        self._breakers: dict[tuple[str, str], CircuitBreaker] = {}

    def of(self, stage: str, model: str) -> CircuitBreaker:
        """Return the breaker of a model, the same one for everybody."""
        if (stage, model) not in self._breakers:
            self._breakers[stage, model] = CircuitBreaker(self._limits.get(stage))
        return self._breakers[stage, model]

    def state(self, stage: str, model: str) -> State:
        """Return the state of a model's breaker now."""
        return self.of(stage, model).state(self.clock())

    def renew(self, stage: str, model: str) -> None:
        """Give a model that was loaded anew a breaker that is closed."""
        self._breakers.pop((stage, model), None)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield the stage and the name of each model that has a breaker."""
        return iter(tuple(self._breakers))
