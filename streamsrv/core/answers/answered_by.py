"""Tells clients which model answered, and why. Pure."""

from typing import Any

from streamsrv.engines.llm.base import AnsweredBy, Route


def answered_by_to_wire(answered_by: AnsweredBy) -> dict[str, Any]:
    """Return the fields `model`, `fallback` (in place of which model, and why) and `routing`."""
    fields: dict[str, Any] = {"model": answered_by.model}
    if (fallback := answered_by.fallback) is not None:
        fields["fallback"] = {"from": fallback.model, "reason": fallback.reason}
    if answered_by.route is not None:
        fields["routing"] = route_to_wire(answered_by.route)
    return fields


def route_to_wire(route: Route) -> dict[str, Any]:
    """Return which models might have answered, the preferred one first, and why it was preferred."""
    return {
        "policy": route.policy,
        "complexity": route.complexity,
        "reason": route.reason,
        "models": list(route.models),
    }
