"""Halves of surrogate pairs: texts of Python, and JSON, can hold them, UTF-8 cannot. Pure."""


def whole_pairs(text: str) -> str:
    """Return the text with both halves of a pair joined, and U+FFFD in place of a half that is alone."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
