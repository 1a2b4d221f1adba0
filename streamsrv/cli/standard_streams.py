"""Opens the standard streams that the command was started without (`>&-`, some supervisors of services)."""

import os

STANDARD_STREAMS = 0, 1, 2


def open_missing_standard_streams() -> None:
    """Connect closed standard streams with the null device. Call it before anything else is opened.

    A socket would get their numbers: libuv aborts the process when it closes such a one, and what is meant for the
    operator would be sent to a client.
    """
    for descriptor in STANDARD_STREAMS:
        try:
            os.fstat(descriptor)
        except OSError:
            _open_null(descriptor)


def _open_null(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
    os.set_inheritable(descriptor, True)
