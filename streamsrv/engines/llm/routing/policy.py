"""The policies of the router and the operator's own rules, as tables. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from streamsrv.engines.llm.routing.complexity import LEVELS, Assessment, Complexity, Task

Criterion = Literal["price", "speed", "strength"]
PolicyName = Literal["balanced", "cheapest", "fastest", "best", "local"]
POLICY_NAMES: tuple[PolicyName, ...] = get_args(PolicyName)

MIN_STRENGTH: Mapping[Complexity, int] = {"small_talk": 0, "simple": 30, "moderate": 45, "hard": 70}
"""Strength that a model needs to answer well. Weaker ones come last, the strongest of them first."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides among the models that can answer well, most important first, by the complexity of the request."""

    name: PolicyName
    criteria: Mapping[Complexity, Sequence[Criterion]]
    is_local: bool = False
    """Whether only models on this machine may answer."""
    needs_strength: bool = True
    """Whether models come last that are not strong enough for the request."""


def _always(*criteria: Criterion) -> Mapping[Complexity, Sequence[Criterion]]:
    return dict.fromkeys(LEVELS, criteria)


POLICIES: Mapping[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy(
            "balanced",
            {
                "small_talk": ("speed", "price", "strength"),
                "simple": ("price", "speed", "strength"),
                "moderate": ("price", "speed", "strength"),
                "hard": ("strength", "price", "speed"),
            },
        ),
        Policy("cheapest", _always("price", "speed", "strength")),
        Policy("fastest", _always("speed", "price", "strength")),
        Policy("best", _always("strength", "speed", "price")),
        Policy("local", _always("strength", "speed"), is_local=True),
    )
}

SAVING = Policy("cheapest", _always("price", "speed", "strength"), needs_strength=False)
"""The policy near a limit of cost."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the operator's table: requests that meet all its conditions are answered by `models`, or by `policy`.

    An empty condition is met by every request.
    """

    complexity: tuple[Complexity, ...] = ()
    tasks: tuple[Task, ...] = ()
    """Met by a request that needs any of them."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes."""
    models: tuple[str, ...] = ()
    """The preferred one first. The others of the settings follow if these fail."""
    policy: PolicyName | None = None

    def covers(self, assessment: Assessment, language: str) -> bool:
        """Whether the conditions are met."""
        return (
            (not self.complexity or assessment.complexity in self.complexity)
            and (not self.tasks or not assessment.tasks.isdisjoint(self.tasks))
            and (not self.languages or language in self.languages)
        )
