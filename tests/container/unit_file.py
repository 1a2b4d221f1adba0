"""What a systemd unit restricts, as `restricted.py` takes it."""

import json
import socket
import subprocess
from pathlib import Path


def settings(unit: Path, name: str) -> list[str]:
    """The values of a setting, in order."""
    prefix = f"{name}="
    return [line.removeprefix(prefix) for line in unit.read_text().splitlines() if line.startswith(prefix)]


def restrictions(unit: Path) -> str:
    calls: set[str] = set()
    for value in settings(unit, "SystemCallFilter"):
        named = {call for group in value.removeprefix("~").split() for call in _calls(group)}
        calls = calls - named if value.startswith("~") else calls | named
    (families,) = settings(unit, "RestrictAddressFamilies")
    (denies,) = settings(unit, "MemoryDenyWriteExecute") or ["no"]
    return json.dumps(
        {
            "calls": sorted(calls),
            "families": [int(getattr(socket, family)) for family in families.split()],
            "denies_write_execute": denies == "yes",
        }
    )


def _calls(group: str) -> set[str]:
    if not group.startswith("@"):
        return {group}
    command = ["systemd-analyze", "--no-pager", "syscall-filter", group]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [line.strip() for line in output.splitlines()[1:]]
    return {call for line in lines if line and not line.startswith("#") for call in _calls(line)}
