"""What users and clients are told about a model of the catalogue, as plain values for JSON. Pure."""

from collections.abc import Sequence
from typing import Any

from streamsrv.engines.model_entry import ModelEntry
from streamsrv.engines.readiness.needs import Need


def model_facts(entry: ModelEntry, parts: Sequence[ModelEntry] = ()) -> dict[str, Any]:
    """Return what the entry states; `parts` are the models that it combines, whose weights are its own."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "engine": entry.engine,
        "description": entry.description,
        "languages": list(entry.languages),
        "best_for": entry.best_for,
        "not_for": entry.not_for,
        "hardware": entry.hardware,
        "bytes": sum(each.size for each in (entry, *parts)),
        "memory": entry.memory,
        "context_tokens": entry.context_tokens or None,
        "max_output_tokens": entry.max_output_tokens or None,
        "efforts": list(entry.efforts),
        "strength": entry.strength or None,
        "licence": entry.licence,
        "code_licence": entry.code_licence,
        "licence_to_accept": entry.licence_to_accept or None,
        "price": [
            {"amount": each.amount, "currency": each.currency, "per": each.per, "as_of": each.as_of.isoformat()}
            for each in entry.price
        ],
        "successor": entry.successor or None,
        "extra": entry.extra,
        "key_variable": entry.key_variable,
    }


def readiness_facts(lacking: Sequence[Need]) -> dict[str, Any]:
    """Return whether a model can run here, and what mends it if not."""
    return {
        "ready": not lacking,
        "missing": [{"what": need.what, "remedy": need.remedy} for need in lacking],
    }
