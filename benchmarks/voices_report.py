"""The table and the picture of `voices.py`."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from voices_playback import STEPS

Results = Mapping[str, dict[str, Any]]

AIMS = {"first audio": 40, "sessions": 20, "word errors": 5}
"""Of the default voice: ms to the first audio on a quiet core, sessions on a core, per cent of the words."""
_ROW, _LEFT, _WIDTH, _GAP = 30, 120, 170, 40
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2933 }
.small { font-size: 11px; fill: #52606d }
.bar { fill: #2b6cb0 } .aim { stroke: #c05621; stroke-width: 2; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) { text { fill: #e4e7eb } .small { fill: #9aa5b1 } .bar { fill: #63a4e0 } }
"""


def print_table(report: Mapping[str, Any]) -> None:
    """Print the table, and what was misheard."""
    print(markdown(report))
    for name, figures in report["results"].items():
        for each in figures["misheard"]:
            print(f"{name}: {each['errors']} wrong: {each['reading']}\n    heard: {each['heard']}")


def write_report(report: Mapping[str, Any], folder: Path) -> None:
    """Write `voices.svg` into the folder `images` of the documents, and put the table into `voices.md`."""
    (folder / "images" / "voices.svg").write_text(picture(report["results"]), encoding="utf-8")
    document = folder / "voices.md"
    before, begin, rest = document.read_text(encoding="utf-8").partition("<!-- benchmarks/voices.py -->\n")
    _, end, after = rest.partition("<!-- end -->\n")
    document.write_text(before + begin + "\n" + markdown(report) + "\n" + end + after, encoding="utf-8")


def markdown(report: Mapping[str, Any]) -> str:
    """Return the table."""
    lines = [
        f"{report['date']}, {report['machine']}; {report['sentences']} sentences, heard by {report['whisper']}.",
        "",
        "| voice | first audio p50 / p95, ms | CPU of it, ms | CPU s per s | sessions a core | longest gap, ms "
        "| cancelled after p50 / p95, ms | memory, MB | word errors "
        "| estimated word times off p50 / p95, ms | told ones |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, figures in report["results"].items():
        lines.append(
            f"| {name} | {_both(figures['first_audio_ms'])} | {figures['first_audio_cpu_ms']['p50']:.0f} "
            f"| {figures['cpu_s_per_audio_s']:.3f} | {_sessions(figures)} | {figures.get('longest_gap_ms', '')} "
            f"| {_both(figures['cancel_ms'])} | {figures['memory_mb']} | {figures['wer']:.1%} "
            f"| {_both(figures['word_error_ms']['estimated'])} | {_told(figures['word_error_ms'])} |"
        )
    return "\n".join(lines) + "\n"


def picture(results: Results) -> str:
    """Return an SVG with three groups of bars, each with the aim of the default voice."""
    charts = (
        (
            "first audio",
            "First audio, CPU ms",
            {name: each["first_audio_cpu_ms"]["p50"] for name, each in results.items()},
        ),
        ("sessions", "Sessions on a core", {name: sessions(each) for name, each in results.items()}),
        ("word errors", "Word errors, %", {name: 100 * each["wer"] for name, each in results.items()}),
    )
    width, height = _LEFT + len(charts) * (_WIDTH + _GAP), 60 + _ROW * len(results)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="Delay, capacity and word errors of the voices">',
        f"<style>{_STYLE}</style>",
    ]
    parts += [f'<text x="8" y="{57 + place * _ROW}">{escape(name)}</text>' for place, name in enumerate(results)]
    for number, (aim, title, values) in enumerate(charts):
        parts += _chart(_LEFT + number * (_WIDTH + _GAP), title, values, AIMS[aim])
    parts.append(f'<text class="small" x="8" y="{height - 6}">dashed: the aim for the default voice</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _chart(left: int, title: str, values: Mapping[str, float], aim: float) -> list[str]:
    scale = (_WIDTH - 40) / max(aim, *values.values())
    parts = [f'<text x="{left}" y="20">{title}</text>']
    for place, value in enumerate(values.values()):
        y = 44 + place * _ROW
        parts.append(f'<rect class="bar" x="{left}" y="{y}" width="{value * scale:.1f}" height="16" rx="2"/>')
        parts.append(f'<text class="small" x="{left + value * scale + 5:.1f}" y="{y + 12}">{value:.3g}</text>')
    x = left + aim * scale
    parts.append(f'<line class="aim" x1="{x:.1f}" y1="36" x2="{x:.1f}" y2="{44 + _ROW * len(values)}"/>')
    return parts


def sessions(figures: Mapping[str, Any]) -> int:
    """Return the sessions that a core speaks to: as simulated, else as many as its CPU time is enough for."""
    return figures.get("sessions_per_core") or int(1 / figures["cpu_s_per_audio_s"])


def _sessions(figures: Mapping[str, Any]) -> str:
    if "sessions_per_core" not in figures:
        return f"{sessions(figures)} (by CPU time)"
    return f"{STEPS[-1]} or more" if figures["sessions_per_core"] == STEPS[-1] else f"{sessions(figures)}"


def _told(errors: Mapping[str, Mapping[str, float]]) -> str:
    return _both(errors["told"]) if "told" in errors else ""


def _both(values: Mapping[str, float]) -> str:
    return f"{values['p50']:.0f} / {values['p95']:.0f}" if values else ""
