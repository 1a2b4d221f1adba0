"""The command when it is started without standard streams."""

import subprocess
import sys

import pytest

TELL = """
import atexit, os, sys
from streamsrv.cli import main

def tell():
    for stream in range(3):
        try:
            os.fstat(stream)
        except OSError:
            os._exit(9)
    os._exit(0)

atexit.register(tell)
sys.argv[1:] = ["--version"]
main()
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_no_socket_gets_the_number_of_a_standard_stream(closed: str):
    """libuv aborts the process when it closes a socket with such a number."""
    started = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", TELL], check=False)
    assert started.returncode == 0
