"""The tokens that a response has used, as clients are told. Pure."""

from dataclasses import fields
from typing import Any

from streamsrv.engines.llm.base import Usage


def total(earlier: Usage | None, usage: Usage) -> Usage:
    """Add up the usage of two requests; None: there was no earlier one."""
    if earlier is None:
        return usage
    return Usage(*(getattr(earlier, part.name) + getattr(usage, part.name) for part in fields(Usage)))


def usage_to_wire(usage: Usage) -> dict[str, Any]:
    """Return the usage object of a response."""
    cached = {"text_tokens": usage.cached_tokens, "audio_tokens": 0, "image_tokens": 0}
    return {
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "input_token_details": {
            "text_tokens": usage.input_tokens,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": usage.cached_tokens,
            "cached_tokens_details": cached,
        },
        "output_token_details": {"text_tokens": usage.output_tokens, "audio_tokens": 0},
    }
