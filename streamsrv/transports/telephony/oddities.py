"""Counts and logs what a stream of a call has that it should not have, each kind once in a call."""

import logging
from collections.abc import Callable

from streamsrv.observability.logging import log_event
from streamsrv.observability.metrics import Oddity
from streamsrv.transports.telephony.masking import masked

logger = logging.getLogger(__name__)

MAX_LOGGED = 16
"""Lines that one call writes into the log about its messages."""


class Oddities:
    """Those of one stream. `count` is called with the kind of each."""

    def __init__(self, provider: str, count: Callable[[Oddity], None]) -> None:
        self._provider = provider
        self._count = count
        self._logged: set[tuple[Oddity, str]] = set()
        self.malformed_messages = 0
        """Messages that could not be read so far."""

    def malformed(self, why: str) -> None:
        """A message cannot be read. Only the first one is logged: each may say something else."""
        self.malformed_messages += 1
        self._note("malformed", "", logging.WARNING, f"sent {why}")

    def unknown(self, kind: str) -> None:
        """A message is of a kind that is not known."""
        self._note("unknown", kind, logging.INFO, f"sent a message of the unknown kind {masked(kind)!a}")

    def early(self) -> None:
        """Something came before the stream had started."""
        self._note("early", "", logging.WARNING, "sent messages of a call before the one that starts it")

    def reported(self, text: str) -> None:
        """The provider tells of an error."""
        self._note("error", text, logging.WARNING, f"reports an error: {masked(text)!a}")

    def wrong_rate(self, real_hz: int, claimed_hz: int) -> None:
        """The audio does not have the rate that the stream says."""
        text = f"sends audio of {real_hz} Hz in a stream of {claimed_hz} Hz, which is resampled from now on"
        self._note("rate", "", logging.WARNING, text)

    def _note(self, oddity: Oddity, what: str, level: int, text: str) -> None:
        self._count(oddity)
        if (oddity, what) not in self._logged and len(self._logged) < MAX_LOGGED:
            self._logged.add((oddity, what))
            log_event(logger, level, f"{self._provider} {text}", {"provider": self._provider, "oddity": oddity})
