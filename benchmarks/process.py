"""Reads CPU time and memory of a process. Linux only."""

import os
import time
from collections.abc import Iterable
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


class OtherWork:
    """The work that the machine does beside some processes, from now on."""

    def __init__(self, own: Iterable[int]) -> None:
        self._own = [Process(pid) for pid in own]
        self._began = (time.monotonic(), self._cpu_s())

    @property
    def cores(self) -> float:
        """Cores that were busy with it."""
        began_s, cpu_s = self._began
        return (self._cpu_s() - cpu_s) / (time.monotonic() - began_s)

    def _cpu_s(self) -> float:
        user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
        busy_s = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        return busy_s - sum(process.cpu_s for process in self._own)
