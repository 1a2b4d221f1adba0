"""Writes the settings in force for the operator, without their secrets."""

import json
from typing import Any

from streamsrv.configuration.reading import Configuration
from streamsrv.configuration.words import is_secret, without_secrets
from streamsrv.settings import Settings


def to_rows(configuration: Configuration, *, only_changed: bool = False) -> dict[str, dict[str, Any]]:
    """Return the value of each setting, as JSON has it, and its origin.

    `only_changed`: leave out those that have their default.
    """
    values = configuration.settings.model_dump(mode="json", exclude=_secrets())
    for name in _secrets():
        value: object = getattr(configuration.settings, name)
        values[name] = without_secrets(value)
    return {
        name: {"value": without_secrets(values[name]), "from": str(configuration.origin(name))}
        for name, field in Settings.model_fields.items()
        if not only_changed or getattr(configuration.settings, name) != field.default
    }


def to_text(rows: dict[str, dict[str, Any]]) -> str:
    """Return a table with a line for each setting: name, value and origin."""
    cells = [(name, json.dumps(row["value"], ensure_ascii=False), row["from"]) for name, row in rows.items()]
    width = max((len(name) for name, _, _ in cells), default=0)
    origin_width = max((len(origin) for _, _, origin in cells), default=0)
    return "\n".join(f"{name:{width}}  {origin:{origin_width}}  {value}" for name, value, origin in cells)


def _secrets() -> set[str]:
    return {name for name in Settings.model_fields if is_secret(name)}
