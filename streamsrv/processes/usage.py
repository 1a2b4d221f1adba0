"""What the helper processes of this process use, for admission and metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Usage:
    """What one helper process uses, by its last heartbeat."""

    name: str
    cpu_s: float = 0.0
    memory: int = 0
    """Bytes that it holds; 0: not known yet."""


@dataclass(frozen=True, slots=True)
class Total:
    """What all helper processes of one name use, and have used."""

    running: int = 0
    memory: int = 0
    cpu_s: float = 0.0
    """Those that have ended are included."""
    deaths: int = 0
    """Processes that ended although nobody had stopped them."""


@dataclass(slots=True)
class Usages:
    """Adds up what helper processes use, by their names."""

    _running: list[Usage] = field(default_factory=list[Usage])
    _ended: dict[str, Total] = field(default_factory=dict[str, Total])

    def expect(self, name: str) -> None:
        """Processes of this name may start."""
        self._ended.setdefault(name, Total())

    def begin(self, name: str) -> Usage:
        """A process has started; returns what its heartbeats are written into."""
        self.expect(name)
        usage = Usage(name)
        self._running.append(usage)
        return usage

    def end(self, usage: Usage, *, died: bool) -> None:
        """A process has ended, once; `died`: although nobody had stopped it."""
        self._running.remove(usage)
        before = self._ended[usage.name]
        self._ended[usage.name] = Total(cpu_s=before.cpu_s + usage.cpu_s, deaths=before.deaths + died)

    @property
    def cpu_s(self) -> float:
        """CPU seconds that all helper processes have used."""
        return sum(total.cpu_s for total in self.totals.values())

    @property
    def totals(self) -> Mapping[str, Total]:
        """The totals of all names that processes have, or may have."""
        found = dict(self._ended)
        for usage in list(self._running):
            total = found[usage.name]
            found[usage.name] = Total(
                total.running + 1, total.memory + usage.memory, total.cpu_s + usage.cpu_s, total.deaths
            )
        return found


USAGES = Usages()
"""Of all helper processes of this process; like the time of `time.process_time`, it belongs to no single server."""
