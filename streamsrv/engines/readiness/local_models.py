"""Tells which language models this machine can run fast enough to talk with, from its cores and its memory."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.filesize import decimal

from streamsrv.engines.catalogue import DEFAULT_MODELS, Catalogue, ModelEntry
from streamsrv.engines.readiness.machine import Machine, chat_threads
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore

MIN_TOKENS_PER_S = 10.0
"""Speech takes 3 to 5 tokens a second, but the first sentence must be there soon, and two callers may talk at once."""

_BYTES_PER_S_OF_THREAD = 6.5e9
"""Weights that a thread reads and multiplies in a second (`benchmarks/language_models.py`). Each token needs all of
them once."""
_BYTES_PER_S_OF_MEMORY = 60e9
"""Weights that the memory of a usual machine gives to all threads in a second."""
_RESERVED_BYTES = 1_500_000_000
"""Memory for the system, the sessions, the recogniser, the voice and the embedded model."""


@dataclass(frozen=True, slots=True)
class LocalModels:
    """What a machine could run: `advised` is the best model for it, `pulled` the best of those that are there.

    None: no model beyond the embedded one.
    """

    machine: Machine
    advised: ModelEntry | None = None
    pulled: ModelEntry | None = None

    def advice(self) -> str:
        """Return what the best model offers and the command that gets it; empty if there is none, or it is there."""
        entry = self.advised
        if entry is None or entry == self.pulled:
            return ""
        return (
            f"{entry.name} answers better and runs here, at {speed(entry, self.machine)} and with "
            f"{decimal(entry.memory)} of memory: {command(entry)}"
        )


def find_local_models(catalogue: Catalogue, store: ModelStore, machine: Machine) -> LocalModels:
    """Return what this machine can run. Reads files, but uses no network; may block while it hashes new weights."""
    fit = by_strength(catalogue.entries("chat"), machine)
    ready = (entry for entry in fit if not needs(entry, store))
    return LocalModels(machine, advised=fit[0] if fit else None, pulled=next(ready, None))


def by_strength(entries: Iterable[ModelEntry], machine: Machine) -> list[ModelEntry]:
    """Return the models with weights that the machine can run fast enough, the best first, without the embedded one."""
    embedded = DEFAULT_MODELS["chat"]
    fit = [entry for entry in entries if is_local(entry) and entry.name != embedded and not problem(entry, machine)]
    return sorted((entry for entry in fit if entry.strength), key=lambda entry: -entry.strength)


def is_local(entry: ModelEntry) -> bool:
    """Whether the entry is a language model whose weights run in this process, on the processor."""
    return entry.kind == "chat" and entry.hardware == "cpu" and bool(entry.weights)


def tokens_per_s(entry: ModelEntry, machine: Machine) -> float:
    """Estimate how many tokens a second the model writes for one caller."""
    threads = entry.options.get("threads") or chat_threads(machine.cores)
    return min(threads * _BYTES_PER_S_OF_THREAD, _BYTES_PER_S_OF_MEMORY) / entry.size


def speed(entry: ModelEntry, machine: Machine) -> str:
    """Return the estimate in words."""
    return f"about {tokens_per_s(entry, machine):.0f} tokens/s"


def problem(entry: ModelEntry, machine: Machine) -> str:
    """Return why the machine is too small for the model; empty if it is not."""
    needed = entry.memory + _RESERVED_BYTES
    if needed > machine.memory:
        return (
            f"{entry.name} needs {decimal(needed)} of memory with all else, and this machine has "
            f"{decimal(machine.memory)}"
        )
    if tokens_per_s(entry, machine) < MIN_TOKENS_PER_S:
        return (
            f"{entry.name} writes {speed(entry, machine)} on {machine.cores} cores, and a conversation needs "
            f"{MIN_TOKENS_PER_S:.0f}"
        )
    return ""


def problems(entries: Iterable[ModelEntry], machine: Machine) -> list[str]:
    """Return why the machine is too small for the local models among the entries, each alone or all together."""
    local = {entry.name: entry for entry in entries if is_local(entry)}
    found = [obstacle for entry in local.values() if (obstacle := problem(entry, machine))]
    needed = sum(entry.memory for entry in local.values()) + _RESERVED_BYTES
    if not found and needed > machine.memory:
        names = " and ".join(local)
        found = [f"{names} need {decimal(needed)} of memory together, and this machine has {decimal(machine.memory)}"]
    return found


def command(entry: ModelEntry) -> str:
    """Return the command that fetches the model and starts a server with it."""
    return f"streamsrv pull {entry.name} && streamsrv serve --chat {entry.name}"
