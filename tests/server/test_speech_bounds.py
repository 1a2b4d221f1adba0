"""Any text of the longest length is spoken soon, in bounded memory: the real voice, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LONGEST = 4096
TEXTS = {
    "digits": "7" * LONGEST,
    "numbers": " ".join(map(str, range(1, 301))),
    "prices": ("$1,234.56 " * 500)[:LONGEST],
    "dates": ("2026-11-26 " * 400)[:LONGEST],
    "phone numbers": ("+1 (555) 123-4567 " * 250)[:LONGEST],
    "percentages": ("12.5% " * 700)[:LONGEST],
    "one word": "a" * LONGEST,
    "emoji": "😀" * LONGEST,
    "ideographs": "日" * LONGEST,
    "marks": "?!" * (LONGEST // 2),
    "markdown": ("**[*_`" * 700)[:LONGEST],
    "URLs": ("https://example.com/a?b=1 " * 200)[:LONGEST],
    "digits of another script": "٧" * LONGEST,
}


def test_any_text_is_spoken_soon_and_in_bounded_memory():
    pytest.importorskip("hibari", reason="needs streamsrv[local]")
    if sys.platform != "linux":
        pytest.skip("the peak memory of a program is read from /proc")
    spoken = subprocess.run(
        [sys.executable, str(TESTS / "server" / "speech_memory.py")],
        input=json.dumps(list(TEXTS.values())),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert spoken.returncode == 0, spoken.stderr[-2000:]
    found = json.loads(spoken.stdout)
    assert dict(zip(TEXTS, (status for status, _ in found["answers"]), strict=True)) == dict.fromkeys(TEXTS, 200)
    assert max(first_s for _, first_s in found["answers"]) < 10
    assert found["peak_mib"] < 1000
