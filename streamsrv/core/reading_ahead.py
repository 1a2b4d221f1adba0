"""Decides when language models read the words of a turn that goes on, so that less is left to read at its end. Pure."""

WORDS_AT_ONCE = 8
"""New words that are read at once; each time costs a few tokens more, for the end of the prompt."""


class ReadingAhead:
    """Counts the stable words of the user's turn, which become an item."""

    def __init__(self) -> None:
        self._item_id = ""
        self._count = 0

    def is_due(self, item_id: str, stable: str) -> bool:
        """Whether the words should be read now: at least `WORDS_AT_ONCE` have come since the last time."""
        count = len(stable.split())
        if count < WORDS_AT_ONCE + (self._count if item_id == self._item_id else 0):
            return False
        self._item_id, self._count = item_id, count
        return True
