"""The tables of docs/routing.md, from `fixtures/routed_utterances.jsonl`. As a command, it writes them there."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Message, Tool
from streamsrv.engines.llm.routing.candidate import Candidate, Standing
from streamsrv.engines.llm.routing.complexity import LEVELS, Assessment, assess
from streamsrv.engines.llm.routing.router import Router

ROOT = Path(__file__).resolve().parents[2]
UTTERANCES, DOCUMENT = ROOT / "fixtures" / "routed_utterances.jsonl", ROOT / "docs" / "routing.md"
BEGIN, END = "<!-- from the fixtures: python tests/docs/routing_table.py -->\n", "<!-- end -->"
SPLITS = ("development", "held out")
ANY_TOOL = (Tool("any_tool"),)
CALLS_TOOLS = ChatAbilities(calls_tools=True)
FIRST_TOKENS_S = {"quick": 0.3, "cheap": 0.6, "strong": 1.2}
MODELS = (
    Candidate("quick", CALLS_TOOLS, 40, 0.3, 1.2),
    Candidate("cheap", CALLS_TOOLS, 55, 0.1, 0.4),
    Candidate("strong", CALLS_TOOLS, 90, 3.0, 15.0),
)
"""Three models as providers have them, for the policy `balanced`."""
WANTED = {"small_talk": "quick", "simple": "cheap", "moderate": "cheap", "hard": "strong"}
"""Which of them should answer, by the label of the request."""


@dataclass(frozen=True)
class Utterance:
    """What a user says, after `before` and its answer, with the labels that its author gave it."""

    split: str
    complexity: str
    language: str
    text: str
    needs: list[str]
    before: str = ""

    @property
    def messages(self) -> list[Message]:
        earlier = [Message("user", self.before), Message("assistant", "An answer.")] if self.before else []
        return [*earlier, Message("user", self.text)]

    @property
    def assessed(self) -> Assessment:
        """What the router makes of it, in a session that has a tool."""
        return assess(self.messages, ANY_TOOL)

    @property
    def model(self) -> str:
        """Which of the models is asked."""
        return ROUTER.choose(self.messages, ANY_TOOL, ChatOptions()).models[0]


ROUTER = Router(MODELS, lambda name: Standing(FIRST_TOKENS_S[name]))


def utterances() -> list[Utterance]:
    return [Utterance(**json.loads(line)) for line in UTTERANCES.read_text(encoding="utf-8").splitlines()]


def matrix(split: str) -> Counter[tuple[str, str]]:
    """How many utterances with the first label were taken for the second."""
    return Counter((each.complexity, each.assessed.complexity) for each in utterances() if each.split == split)


def decisions() -> Counter[tuple[str, str]]:
    """How many utterances of each label each model is asked about."""
    return Counter((each.complexity, each.model) for each in utterances())


def share_right(counts: Counter[tuple[str, str]]) -> float:
    return sum(count for (label, taken), count in counts.items() if label == taken) / counts.total()


def tables() -> str:
    found = [_table(split, matrix(split), dict(zip(LEVELS, LEVELS, strict=True)), LEVELS) for split in SPLITS]
    return "\n".join([*found, _table("who answers", decisions(), WANTED, [model.name for model in MODELS])])


def _table(title: str, counts: Counter[tuple[str, str]], wanted: Mapping[str, str], columns: Sequence[str]) -> str:
    right = sum(count for (label, taken), count in counts.items() if wanted[label] == taken) / counts.total()
    title = f"{title}: {counts.total()} utterances, {right:.0%} right"
    lines = [f"| {title} | {' | '.join(name.replace('_', ' ') for name in columns)} |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for label in LEVELS:
        cells = (str(counts[label, taken] or "") for taken in columns)
        lines.append(f"| {label.replace('_', ' ')} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{tables()}\n{END}{after}")


if __name__ == "__main__":
    main()
