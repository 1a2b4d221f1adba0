"""What goes wrong in a stage, as data: for the fakes and for the simulator alike."""

from dataclasses import dataclass

from streamsrv.errors import EngineError


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one call of a stage; its results come one by one: transcripts, deltas, pieces of speech."""

    first_ms: int = 0
    """Delay of the first result, beside the stage's own."""
    each_ms: int = 0
    """Delay of every later result, beside the stage's own."""
    after: int = 0
    """Results that are given before `error` is raised or the call gets `stuck`."""
    error: EngineError | None = None
    stuck: bool = False
    """No further result ever comes, and no error."""

    def delay_ms(self, given: int) -> int:
        """How much later the result comes before which `given` results were given."""
        return self.each_ms if given else self.first_ms

    def strikes(self, given: int) -> bool:
        """Whether the call ends (in `error`, or never) instead of giving a result after `given` results."""
        return given == self.after and (self.stuck or self.error is not None)


NO_FAULT = Fault()


def fault_of(faults: tuple[Fault, ...], call: int) -> Fault:
    """The fault of call number `call` (0-based); calls beyond the given ones have none."""
    return faults[call] if call < len(faults) else NO_FAULT
