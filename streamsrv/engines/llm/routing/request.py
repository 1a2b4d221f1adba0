"""What the router knows of one request. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamsrv.engines.llm.base import ChatOptions, Effort, Message, Tool
from streamsrv.engines.llm.routing.candidate import Candidate
from streamsrv.engines.llm.routing.complexity import Assessment, assess, language_of

CHARACTERS_PER_TOKEN = 3
"""About how many characters a token has; fewer than in English, so that long prompts are not taken for short ones."""


@dataclass(frozen=True, slots=True)
class RoutedRequest:
    """A request to be answered. `language`: ISO 639-1 code, empty if it is not known."""

    assessment: Assessment
    language: str
    prompt_tokens: int
    calls_tools: bool = False
    shows_images: bool = False
    effort: Effort | None = None
    is_local_only: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """What a model must be able to do, as the ends of a sentence: "a model that ..."."""
        needs = {"calls tools": self.calls_tools, "sees images": self.shows_images, "can be told to think": self.effort}
        return tuple(name for name, is_needed in needs.items() if is_needed)

    def fits(self, candidate: Candidate) -> bool:
        """Whether a model can do what is needed."""
        abilities = candidate.abilities
        return (
            (abilities.calls_tools or not self.calls_tools)
            and (abilities.sees_images or not self.shows_images)
            and (self.effort is None or self.effort in abilities.efforts)
            and (not abilities.context_tokens or self.prompt_tokens < abilities.context_tokens)
        )

    def allows(self, candidate: Candidate) -> bool:
        """Whether a model may be shown the words."""
        return candidate.is_local or not self.is_local_only

    def is_in_language_of(self, candidate: Candidate) -> bool:
        """Whether a model is known to answer well in the language, or nothing is known about that."""
        known = candidate.abilities.languages
        return not self.language or not known or self.language in known

    def price_of(self, candidate: Candidate) -> float:
        """Return about what the answer of a model costs in USD; infinity if that is not known."""
        cost = candidate.cost_usd(self.prompt_tokens, self.assessment.complexity)
        return float("inf") if cost is None else cost


def request_of(messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions) -> RoutedRequest:
    last_words = next((message.content for message in reversed(messages) if message.role == "user"), "")
    return RoutedRequest(
        assess(messages, tools),
        options.routing.language or language_of(last_words),
        sum(len(message.content) for message in messages) // CHARACTERS_PER_TOKEN,
        calls_tools=bool(tools) and options.tool_choice != "none",
        shows_images=any(message.images for message in messages),
        effort=options.reasoning_effort,
        is_local_only=options.routing.local_only,
    )
