"""docs/configuration.md has every setting, and says which ones need a restart."""

import re
from pathlib import Path

import pytest

from streamsrv.reload import RESTART
from streamsrv.settings import Settings

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
ROWS = [
    (re.findall(r"`(\w+)`", line.split("|")[1]), line)
    for line in TEXT.partition("## All settings")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| `")
]


def test_every_setting_has_one_row():
    assert sorted(name for names, _ in ROWS for name in names) == sorted(Settings.model_fields)


def test_the_rows_say_which_settings_need_a_restart():
    assert {name for names, line in ROWS if "Restart |" in line for name in names} == RESTART


@pytest.mark.parametrize(("names", "line"), ROWS, ids=lambda value: value[0] if isinstance(value, list) else "")
def test_the_rows_have_the_defaults(names: list[str], line: str):
    for name in names:
        default = Settings.model_fields[name].default
        if isinstance(default, bool):
            assert f"`{str(default).lower()}`" in line
        elif isinstance(default, int | float) and name not in ("inference_threads", "webrtc_processes"):
            assert str(default) in line
        elif isinstance(default, str) and name not in ("instructions", "voice_preface", "root_path"):
            assert f"`{default}`" in line
