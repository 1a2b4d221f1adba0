"""What the router knows of each model. Pure."""

from dataclasses import dataclass

from streamsrv.engines.llm.base import ChatAbilities
from streamsrv.engines.llm.routing.complexity import Complexity

ASSUMED_STRENGTH = 50
"""Strength of a model whose entry states none: neither preferred nor left out."""
ASSUMED_FIRST_TOKEN_S = 1.0
"""Seconds to the first token of a model that was not measured lately."""
SPEED_STEP_S = 0.1
"""Differences in the time to the first token that are smaller do not matter."""
ANSWER_TOKENS: dict[Complexity, int] = {"small_talk": 30, "simple": 60, "moderate": 200, "hard": 600}
"""About how long answers are, by which prices are compared."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer. Prices are in USD per million tokens."""

    name: str
    abilities: ChatAbilities
    strength: int = ASSUMED_STRENGTH
    """0 to 100: how well it answers hard questions."""
    input_usd: float | None = None
    output_usd: float | None = None
    """None: not known; then a model on this machine costs nothing."""

    @property
    def is_local(self) -> bool:
        return self.abilities.is_local

    def cost_usd(self, prompt_tokens: int, complexity: Complexity) -> float | None:
        """Return about what an answer costs; None: not known."""
        if self.input_usd is None or self.output_usd is None:
            return 0.0 if self.is_local else None
        return (prompt_tokens * self.input_usd + ANSWER_TOKENS[complexity] * self.output_usd) / 1e6


@dataclass(frozen=True, slots=True)
class Standing:
    """How a model does at this moment."""

    first_token_s: float | None = None
    """The 95th percentile of the seconds to its first token; None: not measured lately."""
    is_left_out: bool = False
    """Whether its circuit breaker is open, because it kept failing."""

    @property
    def speed(self) -> int:
        """The first token in steps of `SPEED_STEP_S`; smaller is faster."""
        seconds = ASSUMED_FIRST_TOKEN_S if self.first_token_s is None else self.first_token_s
        return round(seconds / SPEED_STEP_S)
