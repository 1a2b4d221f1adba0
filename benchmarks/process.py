"""Reads CPU time and memory of a process. Linux only."""

import os
from pathlib import Path


class Process:
    """A running process, by its id."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)

    @property
    def cpu_s(self) -> float:
        """CPU time of all threads, in seconds."""
        times_ns = [path.read_text().split()[0] for path in self._folder.glob("task/*/schedstat")]
        return sum(map(int, times_ns)) / 1e9

    @property
    def rss_mb(self) -> float:
        """Resident memory, in MB."""
        return int((self._folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
