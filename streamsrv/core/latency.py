"""When the stages of a spoken turn happened. Pure: wall time comes in as ms of the driver's clock."""

from dataclasses import dataclass
from typing import Any, Literal

from streamsrv.engines.turn.base import WordsEnding

Stage = Literal[
    "speech_ended", "turn_ended", "transcript", "first_token", "first_segment", "first_audio", "first_played"
]


@dataclass(frozen=True, slots=True)
class EndingPause:
    """Why the last pause of a turn was long enough to end it."""

    limit_ms: int
    """How long it had to last."""
    pace: float
    """The factor of this speaker in that (`SpeakerPace`)."""
    voice: float | None = None
    """How done the speaker sounded (0..1); None: no model heard it in time."""
    words: WordsEnding | None = None
    """How likely the turn ends after its words; None: no model judged them in time."""
    recognizer_probability: float | None = None
    """The recogniser's own probability (0..1) that the speaker is done, if it judges that."""

    def to_wire(self) -> dict[str, Any]:
        """Return it as in `response.streamsrv.turn`; what nothing judged is left out."""
        fields: dict[str, Any] = {"limit_ms": self.limit_ms, "pace": round(self.pace, 3)}
        if self.voice is not None:
            fields["voice"] = round(self.voice, 4)
        if self.words is not None:
            as_recognized, plain = (float(f"{value:.3g}") for value in (self.words.as_recognized, self.words.plain))
            fields["words"] = {"as_recognized": as_recognized, "plain": plain}
        if self.recognizer_probability is not None:
            fields["recognizer"] = round(self.recognizer_probability, 4)
        return fields


class TurnLatency:
    """The first time of each stage of one turn and its answer.

    A stage that ran ahead of the turn's end (an answer begun in its last pause) has its real time, so it can come
    before stages that logically precede it.
    """

    def __init__(self, turn_id: str = "", ending: EndingPause | None = None) -> None:
        self.turn_id = turn_id
        """The item that the turn became; empty: what is answered was no turn of speech."""
        self.ending = ending
        """The pause that ended the turn; None: something else did, or there was no turn."""
        self._at_ms: dict[Stage, int] = {}

    def mark(self, stage: Stage, now_ms: int) -> None:
        """Record the first time at which a stage is reached; later calls for the same stage change nothing."""
        self._at_ms.setdefault(stage, now_ms)

    def merge(self, other: "TurnLatency") -> None:
        """Add the stages of another measurement; stages that are recorded here already keep their times."""
        for stage, at_ms in other._at_ms.items():
            self.mark(stage, at_ms)

    def latencies(self) -> dict[str, int]:
        """Ms from the end of speech to each later stage, by `<stage>_ms`; empty if no speech came before."""
        if "speech_ended" not in self._at_ms:
            return {}
        ended_ms = self._at_ms["speech_ended"]
        return {f"{stage}_ms": at_ms - ended_ms for stage, at_ms in self._at_ms.items() if stage != "speech_ended"}


class UnplayedTurns:
    """The measurements of answers that have ended before their playback began, by item."""

    def __init__(self) -> None:
        self._by_item: dict[str, TurnLatency] = {}

    def end(self, latency: TurnLatency, item_id: str | None) -> list[dict[str, int]]:
        """Take an answer that has ended; return the latencies that are complete now.

        `item_id`: of the item whose playback will be reported; None: of none.
        """
        if not (latencies := latency.latencies()):
            return []
        if item_id is None:
            return [latencies]
        given_up = self.give_up()
        self._by_item[item_id] = latency
        return given_up

    def played(self, item_id: str, now_ms: int) -> dict[str, int] | None:
        """Return the latencies of an answer that is played from now on; None: it is not held here."""
        if (latency := self._by_item.pop(item_id, None)) is None:
            return None
        latency.mark("first_played", now_ms)
        return latency.latencies()

    def give_up(self) -> list[dict[str, int]]:
        """Forget all answers, which will not be played; return their latencies."""
        latencies = [latency.latencies() for latency in self._by_item.values()]
        self._by_item.clear()
        return latencies
