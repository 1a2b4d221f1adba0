"""The models of a chain, with what is known about them from earlier requests."""

import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy

from streamsrv.engines.breaker import Breakers, Trial, problem
from streamsrv.engines.llm.base import AnsweredBy, ChatModel, Fallback, Route
from streamsrv.engines.observer import IGNORED, EngineObserver
from streamsrv.errors import EngineError, Overloaded, Unavailable

logger = logging.getLogger(__name__)

MAX_LATE = 2
"""Answers in a row that another model had to give, after which a late model counts as failed."""


class Members:
    """Models in the operator's order, by position, and their breakers, latest errors and how often they were late.

    `patience_s`: by the name of a model the longest wait for its first or next token; "": of all others. 0: no limit.
    """

    def __init__(self, models: Sequence[ChatModel], breakers: Breakers, patience_s: Mapping[str, float]) -> None:
        self.models = tuple(models)
        self.breakers = breakers
        self.problems = [""] * len(models)
        self._patience_s = patience_s
        self._last_error = [""] * len(models)
        self._late = [0] * len(models)
        self._observer: EngineObserver = IGNORED

    def observed(self, observer: EngineObserver, wrap: Callable[[ChatModel], ChatModel]) -> "Members":
        """Return the same models, each as `wrap` returns it, with what is known about them."""
        observed = copy(self)
        observed.models = tuple(wrap(model) for model in self.models)
        observed._observer = observer
        return observed

    def patience_s(self, position: int) -> float:
        """Return how long to wait for a token of a model before another one is asked, too; 0: for ever."""
        return self._patience_s.get(self.models[position].name, self._patience_s.get("", 0.0))

    def positions(self, route: Route | None) -> Sequence[int]:
        """Return the models that may be asked, the preferred one first."""
        if route is None:
            return range(len(self.models))
        by_name = {model.name: position for position, model in enumerate(self.models)}
        return [by_name[name] for name in route.models]

    def first_of(self, untried: Sequence[int]) -> int:
        """Return the most preferred model that its breaker admits, or else the most preferred one."""
        now_s = self.breakers.clock()
        admitted = (i for i in untried if self.breakers.of("chat", self.models[i].name).admits(now_s))
        return next(admitted, untried[0])

    def begin(self, position: int) -> Trial:
        """Begin a request to a model."""
        return self.breakers.of("chat", self.models[position].name).begin(self.breakers.clock())

    def answers(self, position: int, preferred: int, trial: Trial) -> None:
        """A model has begun to answer, perhaps in place of the preferred one."""
        self.problems[position] = ""
        trial.succeeded()
        logger.info("%s answers", self.models[position].name)
        if position != preferred:
            self._observer.fell_back("chat", self.models[preferred].name, self.models[position].name)

    def has_answered(self, position: int) -> None:
        """A model has given an answer to its end."""
        self._late[position] = 0

    def failed(self, position: int, trial: Trial, error: EngineError) -> None:
        """A request to a model has failed."""
        trial.failed(error, self.breakers.clock())
        logger.warning("%s failed (%s): %s", self.models[position].name, type(error).__name__, error)
        self.remember(position, error)

    def late(self, position: int, trial: Trial) -> None:
        """Another model was asked besides, and answered first."""
        name, waited_s = self.models[position].name, self.patience_s(position)
        error = Unavailable(f"{name} gave no token for {waited_s:g} s.")
        self._last_error[position] = str(error)
        self._late[position] += 1
        if self._late[position] < MAX_LATE:
            logger.warning("%s Another model was faster.", error)
        else:
            self.failed(position, trial, error)

    def remember(self, position: int, error: EngineError) -> None:
        """Keep an error as the reason why others answer, and as a problem of the server."""
        self._last_error[position] = str(error)
        if isinstance(error, Unavailable):
            self.problems[position] = problem(self.models[position].name, error)

    def answered_by(self, position: int, preferred: int, route: Route | None) -> AnsweredBy:
        """Name the model that answers, and why, if it takes the place of the preferred one."""
        if position == preferred:
            return AnsweredBy(self.models[position].name, route=route)
        fallback = Fallback(self.models[preferred].name, self._last_error[preferred])
        return AnsweredBy(self.models[position].name, fallback, route)


def summary(errors: Sequence[EngineError]) -> EngineError:
    """Combine the errors of all models, in the order of preference, into one."""
    if len(errors) == 1:
        return errors[0]
    kind = Overloaded if isinstance(errors[0], Overloaded) else Unavailable
    return kind(f"No language model can answer. {' '.join(str(error) for error in errors)}")
