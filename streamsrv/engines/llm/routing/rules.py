"""Reads the operator's table of rules, the `[[chat_rule]]` tables of the settings. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from streamsrv.engines.catalogue import Catalogue, CatalogueError, did_you_mean
from streamsrv.engines.llm.routing.complexity import LEVELS, TASKS
from streamsrv.engines.llm.routing.policy import POLICY_NAMES, Rule
from streamsrv.text.languages import LANGUAGE_NAMES

CONDITIONS = ("complexity", "tasks", "languages")
FIELDS = (*CONDITIONS, "models", "policy")


def read_rules(tables: Sequence[Mapping[str, Any]], catalogue: Catalogue) -> tuple[Rule, ...]:
    """Return the rules of the settings, with retired models replaced by their successors.

    Each condition is a text or a list of texts. Raises `CatalogueError` with a line for each thing that is wrong.
    """
    rules: list[Rule] = []
    problems: list[str] = []
    for number, table in enumerate(tables, 1):
        wrong = list(_problems(table, catalogue))
        problems += [f"row {number}: {problem}" for problem in wrong]
        if not wrong:
            lists: dict[str, Any] = {name: tuple(_texts(table.get(name)) or ()) for name in (*CONDITIONS, "models")}
            models = tuple(catalogue.find(name, "chat").name for name in lists.pop("models"))
            rules.append(Rule(**lists, models=models, policy=table.get("policy")))
    if problems:
        raise CatalogueError("\n".join(problems))
    return tuple(rules)


def _problems(table: Mapping[str, Any], catalogue: Catalogue) -> Iterator[str]:
    for name in table:
        if name not in FIELDS:
            yield f"{name!r} is not a field{did_you_mean(name, FIELDS)}; accepted: {', '.join(FIELDS)}"
    for name, known in {"complexity": LEVELS, "tasks": TASKS, "languages": LANGUAGE_NAMES}.items():
        yield from _wrong(name, table.get(name), tuple(known), "ISO 639-1 codes" if name == "languages" else "")
    yield from _wrong("models", table.get("models"), [*_chat_names(catalogue)])
    if (policy := table.get("policy")) is not None and policy not in POLICY_NAMES:
        yield f"policy: {policy!r}{did_you_mean(str(policy), POLICY_NAMES)}; accepted: {', '.join(POLICY_NAMES)}"
    if ("models" in table) == ("policy" in table):
        yield "exactly one of models and policy says who answers"


def _wrong(name: str, given: object, known: Sequence[str], in_words: str = "") -> Iterator[str]:
    """Yield what is wrong with a list of names."""
    if given is None:
        return
    texts = _texts(given)
    accepted = in_words or ", ".join(known)
    if not texts:
        yield f"{name}: {given!r}; accepted: a list of these: {accepted}"
        return
    for text in texts:
        if text not in known:
            yield f"{name}: {text!r}{did_you_mean(text, known)}; accepted: {accepted}"


def _texts(given: object) -> list[str] | None:
    """Return the texts in a list, or the only one; None: it is something else."""
    listed = list(cast("Sequence[object]", given)) if isinstance(given, list | tuple) else [given]
    return [each for each in listed if isinstance(each, str)] if all(isinstance(each, str) for each in listed) else None


def _chat_names(catalogue: Catalogue) -> Iterator[str]:
    """Yield the names of all language models, also of those that a provider has retired."""
    yield from (name for name, entry in catalogue.items() if entry.kind == "chat")
