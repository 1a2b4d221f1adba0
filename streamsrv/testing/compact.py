"""Shows dataclasses and structs without the fields that have their default."""

import dataclasses
from typing import Any

import msgspec


def defaults(value: Any) -> dict[str, Any]:
    """Return the default of each field that has one; an empty dict for other types of objects."""
    if isinstance(value, msgspec.Struct):
        fields: Any = msgspec.structs.fields(value)
        missing = msgspec.NODEFAULT
    elif dataclasses.is_dataclass(value):
        fields, missing = dataclasses.fields(value), dataclasses.MISSING
    else:
        return {}
    found: dict[str, Any] = {}
    for field in fields:
        if field.default is not missing:
            found[field.name] = field.default
        elif field.default_factory is not missing:
            found[field.name] = field.default_factory()
    return found


def replaced(value: Any, name: str, field: Any) -> Any:
    """Return a copy with one field replaced."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **{name: field})
    return dataclasses.replace(value, **{name: field})


def compact(value: Any) -> str:
    """Like `repr`, without the fields that have their default."""
    if isinstance(value, tuple):
        entries = [compact(entry) for entry in value]  # type: ignore[misc]
        return f"({', '.join(entries)}{',' if len(entries) == 1 else ''})"
    if not (isinstance(value, msgspec.Struct) or dataclasses.is_dataclass(value)):
        return repr(value)
    names: Any = getattr(value, "__struct_fields__", None) or [field.name for field in dataclasses.fields(value)]  # type: ignore[arg-type]
    usual = defaults(value)
    shown = [name for name in names if name not in usual or getattr(value, name) != usual[name]]
    return f"{type(value).__name__}({', '.join(f'{name}={compact(getattr(value, name))}' for name in shown)})"
