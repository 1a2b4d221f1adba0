"""The table and the picture of `recognizers.py`."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

Results = Mapping[str, dict[str, Any]]

_ROW, _LEFT, _RIGHT, _BAR = 46, 150, 210, 420
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2933 }
.small { font-size: 11px; fill: #52606d }
.clean { fill: #2b6cb0 } .noise { fill: #a9c7e8 }
@media (prefers-color-scheme: dark) { text { fill: #e4e7eb } .small { fill: #9aa5b1 } .noise { fill: #4a6f97 } }
"""


def print_table(report: Mapping[str, Any]) -> None:
    """Print everything that was measured, one model a column."""
    results: Results = report["results"]
    flat = {name: _flat(figures) for name, figures in results.items()}
    rows = dict.fromkeys(row for figures in flat.values() for row in figures)
    print(" " * 28, *(f"{name:>20}" for name in flat))
    for row in rows:
        print(f"{row:<28}", *(f"{figures.get(row, '')!s:>20}" for figures in flat.values()))


def _flat(figures: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in figures.items():
        found |= _flat(value, f"{before}{name} ") if isinstance(value, dict) else {f"{before}{name}": value}
    return found


def write_report(report: Mapping[str, Any], folder: Path) -> None:
    """Write `recognizers.md` and `recognizers.svg` into the folder."""
    (folder / "recognizers.md").write_text(markdown(report), encoding="utf-8")
    (folder / "recognizers.svg").write_text(picture(report["results"]), encoding="utf-8")


def markdown(report: Mapping[str, Any]) -> str:
    """Return the tables: English, and the other languages."""
    results: Results = report["results"]
    english = {name: figures for name, figures in results.items() if "wer" in figures}
    lines = [
        f"{report['date']}, {report['machine']}.",
        "",
        "| recogniser | WER | offline | streaming/offline | noise 10 dB | first text, ms | word stable p50/p95, ms "
        "| final p50/p95, ms | CPU s per s | memory, MB | invented |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, figures in sorted(english.items(), key=lambda item: item[1]["wer"]):
        ratio = figures["wer_streaming_of_the_same"] / (figures["wer_offline"] or 1)
        lines.append(
            f"| {name} | {_percent(figures['wer'])} | {_percent(figures['wer_offline'])} | {ratio:.2f} "
            f"| {_percent(figures['wer_noise_10_db'])} | {figures['first_text_ms'].get('p50', '')} "
            f"| {_both(figures['word_stable_ms'])} | {_both(figures['final_ms'])} | {figures['cpu_s_per_audio_s']} "
            f"| {figures['memory_mb']} | {_invented(figures)} |"
        )
    languages = sorted({language for figures in results.values() for language in figures["languages"]})
    models = [name for name, figures in results.items() if figures["languages"]]
    if not models:
        return "\n".join(lines) + "\n"
    lines += ["", f"| language (turns) | {' | '.join(models)} |", f"|---|{'---|' * len(models)}"]
    for language in languages:
        found = [results[name]["languages"].get(language) for name in models]
        turns = next(each["turns"] for each in found if each)
        cells = [_percent(each["wer"]) if each else "" for each in found]
        lines.append(f"| {language} ({turns}) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def picture(results: Results) -> str:
    """Return an SVG with the word error rates of English speech, clean and in noise, as bars."""
    english = sorted((item for item in results.items() if "wer" in item[1]), key=lambda item: item[1]["wer"])
    longest = max((figures["wer_noise_10_db"] for _, figures in english), default=1) or 1
    width, height = _LEFT + _BAR + _RIGHT, 44 + _ROW * len(english)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="Word error rates of the recognisers">',
        f"<style>{_STYLE}</style>",
        '<text x="8" y="20">Word error rate, English</text>',
        f'<text class="small" x="{_LEFT}" y="20">dark: as recorded; light: with noise at 10 dB</text>',
    ]
    for place, (name, figures) in enumerate(english):
        y = 38 + place * _ROW
        for kind, offset, key in (("clean", 0, "wer"), ("noise", 16, "wer_noise_10_db")):
            length = round(_BAR * figures[key] / longest, 1)
            parts.append(f'<rect class="{kind}" x="{_LEFT}" y="{y + offset}" width="{length}" height="13" rx="2"/>')
            parts.append(
                f'<text class="small" x="{_LEFT + length + 5}" y="{y + offset + 11}">{figures[key]:.1%}</text>'
            )
        cost = f"{figures['cpu_s_per_audio_s']:.2f} CPU s a second"
        parts.append(f'<text x="8" y="{y + 12}">{escape(name)}</text>')
        parts.append(f'<text class="small" x="8" y="{y + 27}">{cost}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _both(percentiles: Mapping[str, int]) -> str:
    return f"{percentiles['p50']} / {percentiles['p95']}" if percentiles else ""


def _invented(figures: Mapping[str, Any]) -> str:
    return f"{figures['invented']['with_text']} of {figures['invented']['recordings']}"
