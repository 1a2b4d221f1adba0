"""Faults of a stage as data, for the fakes and for the simulator."""

from dataclasses import dataclass

from streamsrv.errors import EngineError


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault of one call of a stage. Results are transcripts, deltas or pieces of speech."""

    first_ms: int = 0
    """Delay of the first result, in addition to the stage's own delay."""
    each_ms: int = 0
    """Delay of every later result, in addition to the stage's own delay."""
    after: int = 0
    """How many results the call gives before it raises `error` or gets stuck."""
    error: EngineError | None = None
    """Error that the call raises; None: no error."""
    stuck: bool = False
    """Whether the call stops giving results without an error."""

    def delay_ms(self, given: int) -> int:
        """Return the added delay of the result that follows `given` earlier ones."""
        return self.each_ms if given else self.first_ms

    def strikes(self, given: int) -> bool:
        """Return whether the call fails or gets stuck after `given` results."""
        return given == self.after and (self.stuck or self.error is not None)


NO_FAULT = Fault()


def fault_of(faults: tuple[Fault, ...], call: int) -> Fault:
    """Return the fault of call number `call` (0-based); `NO_FAULT` for calls without an entry."""
    return faults[call] if call < len(faults) else NO_FAULT
