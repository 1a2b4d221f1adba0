"""The pure modules of the browser client, under Node."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
NODE_SINCE = 20  # its test runner finds tests by pattern


def _node() -> str:
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < NODE_SINCE:
        pytest.skip(f"node {version} is older than {NODE_SINCE}")
    return program


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.test.mjs")), ids=lambda path: path.name)
def test_module(path: Path) -> None:
    ran = subprocess.run([_node(), "--test", path], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
