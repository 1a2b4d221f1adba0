"""Runs the command in a child process where this process is the first of a container (PID 1).

The kernel drops each signal that PID 1 does not handle: SIGTERM would not end it while models load. And a container
without an init collects the zombies of orphaned processes.
"""

import os
import signal
import sys
from types import FrameType

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def run_in_child_of_first_process() -> None:
    """Return at once where this process is not PID 1. Else return in a child process only.

    This process then hands signals on to the child, reaps every process that ends, and ends with the child's status
    (128 and the number of the signal that ended it). Call it before threads exist.
    """
    if os.getpid() != 1:
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)  # until both processes are ready for them
    child = os.fork()
    if child:
        _hand_on_signals(child)
        sys.exit(_reap_until_end_of(child))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def _hand_on_signals(child: int) -> None:
    def hand_on(number: int, _: FrameType | None) -> None:
        os.kill(child, number)

    for number in FORWARDED:
        signal.signal(number, hand_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def _reap_until_end_of(child: int) -> int:
    """Wait for children, among them orphans of others, and return the exit status of `child`."""
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
