"""What this machine offers to models: cores and memory, within the limits of a container."""

import os
from dataclasses import dataclass
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MAX_CHAT_THREADS = 16
"""More threads do not make a language model faster: they all wait for the memory."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores and bytes of memory that this process may use."""

    cores: int
    memory: int


def machine(cgroups: Path = _CGROUPS) -> Machine:
    """Return what this process may use; `cgroups` is where the kernel states the limits of a container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    quota = _quota(cgroups)
    limits = (_number(cgroups / "memory.max"), _number(cgroups / "memory/memory.limit_in_bytes"))
    return Machine(
        cores if quota is None else max(1, min(cores, round(quota))),
        min([memory, *(limit for limit in limits if limit)]),
    )


def chat_threads(cores: int) -> int:
    """Return the threads of a language model that leaves a core for hearing and speaking, where there is more than one.

    Threads of llama.cpp wait for each other without sleeping, so one that lost its core would delay all others.
    """
    return max(1, min(cores - 1, _MAX_CHAT_THREADS))


def _quota(cgroups: Path) -> float | None:
    """Return the cores that the limit on CPU time amounts to (cgroup v2, or v1); None if there is none."""
    match _read(cgroups / "cpu.max").split():
        case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period):
            return int(quota) / int(period)
        case _:
            quota, period = _number(cgroups / "cpu/cpu.cfs_quota_us"), _number(cgroups / "cpu/cpu.cfs_period_us")
            return quota / period if quota and period else None


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdecimal() else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
