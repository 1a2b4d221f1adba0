"""The operator's day as a test."""

import subprocess
import sys
from pathlib import Path

import pytest

from reverse_proxies import missing

DAY = Path(__file__).with_name("operators_day.py")


@pytest.mark.slow
def test_the_operators_day():
    """Needs a package index, and some minutes."""
    if reason := missing("caddy"):
        pytest.skip(reason)
    done = subprocess.run([sys.executable, str(DAY)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
