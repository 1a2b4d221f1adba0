"""What signals do to `streamsrv serve`.

SIGTERM and SIGINT end it. So does SIGHUP if it was started in a terminal, because that terminal has closed. Without a
terminal SIGHUP reloads the settings; a process that was started to ignore it (`nohup`) ignores it.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from contextvars import Context
from functools import partial
from types import FrameType

logger = logging.getLogger(__name__)

SAME_REQUEST_S = 1.0
"""Seconds in which a repeated signal is still the same request: `timeout` and shells signal a process twice."""


class ProcessSignals:
    """Handles the signals of this process. Make it in the main thread, and call its methods there.

    Until `serve` is called, a signal that ends the process does so at once, by its default action: while models load,
    native code holds the interpreter for many seconds, so that a handler would run too late.
    """

    def __init__(self) -> None:
        self._reload: Callable[[], None] | None = None
        self._reload_is_due = False
        self._stopped_s: float | None = None
        self._ending = [signal.SIGTERM, signal.SIGINT]
        hang_up_is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        if _has_terminal() and not hang_up_is_ignored:
            self._ending.append(signal.SIGHUP)
        elif not hang_up_is_ignored:
            signal.signal(signal.SIGHUP, self._take_reload)
        for number in self._ending:
            signal.signal(number, signal.SIG_DFL)

    def serve(self, stop: Callable[[], None], reload: Callable[[], None]) -> None:
        """From now on call `stop` at the first signal that ends the process, and `reload` at one that reloads.

        The running event loop calls them. A second signal ends the process at once, by its default action. A reload
        that was requested before takes place now.
        """
        # Without a context of their own the callbacks would have that of whatever task the signal interrupts.
        soon = partial(asyncio.get_running_loop().call_soon_threadsafe, context=Context())

        def end(number: int, _: FrameType | None) -> None:
            if self._stopped_s is None:
                self._stopped_s = time.monotonic()
                # The handler may interrupt any line of code, so it must not write to the log.
                soon(logger.info, "the server stops: %s", signal.Signals(number).name)
                soon(stop)
            elif time.monotonic() - self._stopped_s > SAME_REQUEST_S and number != signal.SIGHUP:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)

        def reload_soon() -> None:
            if self._stopped_s is None:
                soon(reload)

        for number in self._ending:
            signal.signal(number, end)
        self._reload = reload_soon
        if self._reload_is_due:
            reload_soon()

    def _take_reload(self, _number: int, _frame: FrameType | None) -> None:
        if self._reload is None:
            self._reload_is_due = True
        else:
            self._reload()


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
