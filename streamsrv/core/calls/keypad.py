"""Collects the keys that a caller presses until they are an entry for the language model. Pure."""

MAX_KEYS = 64
"""The most keys of one entry; of further ones the language model is only told that there were some."""
KEYS_PRESSED = "The caller pressed"
COMPLETES = "#"
"""The key that completes an entry."""


class Keypad:
    """Holds the keys of the entry that is being made.

    `#` completes an entry at once, a pause of `pause_ms` always does. There is no more than one entry in `pause_ms`: a
    `#` that follows the last entry sooner than that waits for the pause.
    """

    def __init__(self, pause_ms: int) -> None:
        self.pause_ms = pause_ms
        self._keys = ""
        self._has_more = False
        self._taken_ms: int | None = None  # when the last entry was complete

    @property
    def is_empty(self) -> bool:
        return not self._keys

    def press(self, key: str, now_ms: int) -> bool:
        """Take a key; return whether the entry is complete."""
        if len(self._keys) < MAX_KEYS:
            self._keys += key
        else:
            self._has_more = True
        return key == COMPLETES and (self._taken_ms is None or now_ms - self._taken_ms >= self.pause_ms)

    def take(self, now_ms: int) -> str:
        """Return the entry as a sentence for the language model, and begin the next one."""
        keys, has_more = self._keys, self._has_more
        self._keys, self._has_more, self._taken_ms = "", False, now_ms
        if not has_more and len(keys) > 1:
            keys = keys.removesuffix(COMPLETES)
        return f"{KEYS_PRESSED} {keys}{' and more keys' if has_more else ''}."
