"""Measures models one by one, each in a process of its own, so that none has the memory of another."""

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from typing import Any


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure_apart(name: str, script: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run a benchmark's `script` with `--only name`; return the figures of its last line, in JSON."""
    command = [sys.executable, script, *arguments, "--only", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
