"""Takes what is private out of texts that are logged: telephone numbers, and tokens. Pure."""

import re

MASK = "…"
_NUMBER = re.compile(r"\d(?:[ ()/.-]{0,3}\d){5,}")
"""Six digits or more, with or without separators."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{24,}")
"""What is as long as a one-time token; no word is."""


def masked(text: str) -> str:
    """Return a text without the numbers and tokens in it."""
    return _NUMBER.sub(MASK, _TOKEN.sub(MASK, text))
