"""Says how long to wait before a process is started again. Pure."""

FIRST_DELAY_S = 1.0
"""Seconds from the end of a process to the start of the next one; doubled each time that one does not last."""
MAX_DELAY_S = 60.0
STEADY_S = 60.0
"""Seconds of work after which the end of a process counts as the first one."""


class BackOff:
    """Doubles the delay with each process in a row that did not last, up to `MAX_DELAY_S`."""

    def __init__(self) -> None:
        self._failures = 0

    def next_s(self, worked_s: float) -> float:
        """Return the delay in seconds after a process that was ready to work for `worked_s`; 0: it never was."""
        self._failures = 1 if worked_s >= STEADY_S else self._failures + 1
        return min(FIRST_DELAY_S * 2 ** min(self._failures - 1, 30), MAX_DELAY_S)
