"""Makes the text for the language model out of what a tool returned. Pure."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from streamsrv.text.surrogates import whole_pairs
from streamsrv.tools.base import ToolDescription, ToolFailed

MAX_RESULT_CHARACTERS = 20_000
"""Characters of a result that the language model is shown; the rest is cut off, and the text says so."""
MAX_TOOLS = 128
"""Tools of one server."""
MAX_LIST_BYTES = 500_000
"""Bytes of the tools of one server as JSON, because they go into one event and into each request to a model."""
MAX_NAME = 128
"""Characters in the name of a tool."""


def bounded(text: str, limit: int = MAX_RESULT_CHARACTERS) -> str:
    """Return the text, or its beginning and how much of it is missing; it can be encoded in UTF-8."""
    text = whole_pairs(text)
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[{len(text) - limit} more characters were cut off]"


def text_of(value: object) -> str:
    """Return a value of Python as text: a text as it is, nothing as an empty text, everything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError) as error:
        raise ToolFailed(f"The result cannot be written as JSON: {error}.") from error


def text_of_content(blocks: Iterable[Any], structured: object) -> str:
    """Return the text of the content of an MCP result, or its structured content if it has no text.

    Images, sounds and binary resources are named, not shown, because not every language model can use them.
    """
    texts: list[str] = []
    for block in blocks:
        match block.type:
            case "text":
                texts.append(block.text)
            case "resource" if getattr(block.resource, "text", None) is not None:
                texts.append(block.resource.text)
            case "resource_link":
                texts.append(f"[resource {block.uri}]")
            case _:
                texts.append(f"[{block.type}, which is not shown]")
    return "\n".join(texts) if texts or structured is None else text_of(structured)


def checked_list(
    label: str, tools: Sequence[ToolDescription], allowed: Sequence[str] | None = None
) -> list[ToolDescription]:
    """Return the allowed tools, in their order; raises `ToolFailed` if they are too many, too large or not distinct."""
    found = [tool for tool in tools if allowed is None or tool.name in allowed]
    names = [tool.name for tool in found]
    if len(names) > MAX_TOOLS:
        raise ToolFailed(
            f"The tool server '{label}' lists {len(names)} tools; at most {MAX_TOOLS} are accepted: name those "
            "that are needed in 'allowed_tools'."
        )
    if wrong := [name for name in names if not 1 <= len(name) <= MAX_NAME]:
        raise ToolFailed(f"The tool server '{label}' lists a tool whose name has {len(wrong[0])} characters.")
    if len(set(names)) < len(names):
        raise ToolFailed(f"The tool server '{label}' lists two tools of one name.")
    size = sum(len(json.dumps(dict(tool.input_schema), default=str)) + len(tool.description) for tool in found)
    if size > MAX_LIST_BYTES:
        raise ToolFailed(
            f"The tool server '{label}' describes its tools in {size} bytes; at most {MAX_LIST_BYTES} are accepted: "
            "name those that are needed in 'allowed_tools'."
        )
    return found
