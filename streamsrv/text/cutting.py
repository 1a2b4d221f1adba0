"""Cuts long text into pieces. Pure."""

from collections.abc import Iterator


def cut_text(text: str, max_length: int) -> Iterator[str]:
    """Yield pieces of at most `max_length` characters, about equally long, cut at whitespace where possible.

    The joined pieces are the text without the whitespace at the cuts.
    """
    while len(text) > max_length:
        pieces = -(-len(text) // max_length)
        end = cut_before(text, max(1, len(text) // pieces))
        yield text[:end].rstrip()
        text = text[end:].lstrip()
    yield text


def cut_before(text: str, end: int) -> int:
    """Return where to cut a text so that its first part has at most `end` characters, and not much fewer.

    That is after the last whitespace in their second half, or else at `end`.
    """
    for at in range(end, end // 2, -1):
        if text[at - 1].isspace():
            return at
    return end
