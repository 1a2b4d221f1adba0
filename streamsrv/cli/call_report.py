"""The report of a simulated call, as text or JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from streamsrv.calling.call import CallReport
    from streamsrv.calling.script import Spoken

ARRAYS = ("caller", "agent")


def as_object(report: "CallReport", words: Sequence[str] | None) -> str:
    """Return the report as a JSON object. `words`: what the agent said before the first turn and after each."""
    fields: dict[str, Any] = {name: getattr(report, name) for name in report.__dataclass_fields__ if name not in ARRAYS}
    fields["turns"] = [_turn(turn) for turn in report.turns]
    fields["heard"] = list(words) if words is not None else None
    return msgspec.json.format(msgspec.json.encode(fields), indent=2).decode()


def _turn(turn: "Spoken") -> dict[str, Any]:
    return msgspec.to_builtins(turn) | {
        "answer_ms": _since(turn.ended_ms, turn.first_speech_ms),
        "first_sound_after_ms": _since(turn.ended_ms, turn.first_sound_ms),
        "silenced_after_ms": _since(turn.started_ms, turn.silenced_ms),
    }


def as_text(report: "CallReport", words: Sequence[str] | None) -> str:
    """Return what was said, and a table of times."""
    lines: list[str] = []
    if report.first_sound_ms is not None:
        lines.append(_line(report.first_sound_ms, "agent", _said(words, 0)))
        lines.append(_note(f"first sound {report.first_sound_ms} ms after the call began"))
    for number, turn in enumerate(report.turns, start=1):
        said = " ".join(filter(None, [turn.text, f"[keys {turn.digits}]" if turn.digits else ""]))
        lines.append(_line(turn.started_ms, "caller", said))
        lines += _times(turn)
        lines.append(_line(turn.first_speech_ms, "agent", _said(words, number)))
    ended = report.reason or "The caller hung up."
    lines += [
        f"{_time(report.duration_ms)}  {ended}",
        f"played {report.played_ms} ms, dropped {report.dropped_ms} ms at {len(report.clears)} clears; "
        f"{report.marks} marks passed; at most {report.ahead_ms} ms were sent ahead; "
        f"{report.lost_chunks} chunks lost; the simulator was at most {report.late_ms} ms late",
        *(f"{report.provider} would not accept: {violation}" for violation in report.violations),
    ]
    return "\n".join(lines)


def _times(turn: "Spoken") -> list[str]:
    told: list[str] = []
    if turn.interrupts:
        silenced = _since(turn.started_ms, turn.silenced_ms)
        told.append("the agent went on" if silenced is None else f"the agent fell silent after {silenced} ms")
    answer = _since(turn.ended_ms, turn.first_speech_ms)
    if answer is None:
        told.append("no answer")
    else:
        sound = _since(turn.ended_ms, turn.first_sound_ms)
        told.append(f"first sound after {sound} ms, answer after {answer} ms")
        told.append(f"longest silence {turn.longest_silence_ms} ms")
    return [_note(", ".join(told))]


def _said(words: Sequence[str] | None, number: int) -> str:
    return "" if words is None or number >= len(words) else words[number] or "(no words)"


def _line(at_ms: int | None, who: str, said: str) -> str:
    return f"{_time(at_ms)}  {who + ':':<8}{said}".rstrip()


def _note(text: str) -> str:
    return f"{'':8}  {'':8}({text})"


def _time(at_ms: int | None) -> str:
    return f"{'':8}" if at_ms is None else f"{at_ms / 1000:7.2f}s"


def _since(start_ms: int | None, end_ms: int | None) -> int | None:
    return None if start_ms is None or end_ms is None else end_ms - start_ms
