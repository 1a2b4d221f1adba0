"""Cuts text that is too long for what comes next. Pure."""

from collections.abc import Iterator


def cut_text(text: str, max_length: int) -> Iterator[str]:
    """Pieces of at most `max_length` characters, about equally long, cut at whitespace where there is any.

    Joined they are the text, without the whitespace at the cuts.
    """
    while len(text) > max_length:
        pieces = -(-len(text) // max_length)
        end = cut_before(text, max(1, len(text) // pieces))
        yield text[:end].rstrip()
        text = text[end:].lstrip()
    yield text


def cut_before(text: str, end: int) -> int:
    """Where to cut a text so that its first part has at most `end` characters, but not much less.

    That is after the last whitespace in the second half of them, else at `end`.
    """
    for at in range(end, end // 2, -1):
        if text[at - 1].isspace():
            return at
    return end
