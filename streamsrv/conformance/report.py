"""The report of a run: for people, and as JSON. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from streamsrv.conformance.run import Result

_MARKS = {"passed": "ok", "failed": "FAILED", "inconclusive": "?"}


def line(result: Result) -> str:
    """Return one result as text: its mark, name and statement, and below them why it did not pass."""
    text = f"{_MARKS[result.outcome]:7} {result.check.name}: {result.check.statement}"
    return f"{text}\n          {result.detail}" if result.detail else text


def summary(results: Sequence[Result], *, checked_types: bool) -> str:
    """Return the numbers of passed, failed and inconclusive checks, in one or two lines."""
    counts = Counter(result.outcome for result in results)
    text = f"{counts['passed']} of {len(results)} checks passed, {counts['failed']} failed"
    if counts["inconclusive"]:
        text += f", {counts['inconclusive']} inconclusive"
    if not checked_types:
        text += ".\nThe fields of events were not checked: that needs the package openai (pip install openai)"
    return f"{text}."


def to_json(results: Sequence[Result], url: str, *, checked_types: bool) -> dict[str, Any]:
    """Return the results as a JSON object."""
    counts = Counter(result.outcome for result in results)
    return {
        "url": url,
        "checked_types": checked_types,
        "passed": counts["passed"],
        "failed": counts["failed"],
        "inconclusive": counts["inconclusive"],
        "checks": [
            {
                "name": result.check.name,
                "statement": result.check.statement,
                "outcome": result.outcome,
                "detail": result.detail or None,
                "seconds": round(result.seconds, 3),
            }
            for result in results
        ],
    }
