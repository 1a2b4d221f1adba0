"""The Python that runs a helper process: the server's own, or that of another environment, which is checked first."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import streamsrv
from streamsrv.errors import Unavailable
from streamsrv.processes.environment import helper_environment

MIN_VERSION = (3, 11)
"""Oldest Python that runs this package."""
NEEDED = ("msgspec",)
"""Modules that every helper process needs besides this package, which it gets from the server."""
CHECK_S = 60.0
"""Seconds that a Python may take to say what it has."""
_QUESTION = """
import json, sys
from importlib.util import find_spec
print(json.dumps([list(sys.version_info[:2]), [name for name in sys.argv[1:] if find_spec(name) is None]]))
"""
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


def command(python: str | None, module: str) -> list[str]:
    """Return the command that runs a module of this package. `python`: of another environment; None: of this one."""
    # -P: import nothing from the working directory.
    if python is None:
        return [sys.executable, "-P", "-m", module]
    return [str(find_python(python)), "-P", str(_BOOTSTRAP), streamsrv.__version__, module]


def find_python(python: str) -> Path:
    """Return the path of an interpreter that is named by its path or by a command; raises `Unavailable`."""
    found = shutil.which(Path(python).expanduser())
    if found is None:
        raise Unavailable(f"python: {python!r} cannot be run; accepted: the path of a Python, such as venv/bin/python")
    return Path(found)


def lacking(python: str, modules: Sequence[str]) -> list[str]:
    """Return the modules that a Python of another environment lacks, of `modules` and those that all need. Blocks.

    Raises `Unavailable` if it is no Python, or too old.
    """
    asked = [str(find_python(python)), "-c", _QUESTION, *dict.fromkeys([*NEEDED, *modules])]
    environment = helper_environment(os.environ, package_folder=None, separator=os.pathsep)
    try:
        answer = subprocess.run(asked, capture_output=True, timeout=CHECK_S, check=False, env=environment)
        version, missing = json.loads(answer.stdout)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"python: {python!r} did not answer within {CHECK_S:g} s") from error
    except (OSError, ValueError, TypeError) as error:
        raise Unavailable(f"python: {python!r} does not answer as a Python does") from error
    if tuple(version) < MIN_VERSION:
        wanted = ".".join(map(str, MIN_VERSION))
        raise Unavailable(f"python: {python!r} is Python {version[0]}.{version[1]}; accepted: {wanted} or newer")
    return missing


def check(python: str, modules: Sequence[str], extra: str = "") -> None:
    """Raise `Unavailable` unless the Python of another environment has these modules. Blocks.

    `extra`: that of this package which installs them.
    """
    if missing := lacking(python, modules):
        how = f"{python} -m pip install 'streamsrv[{extra}]'" if extra else f"install them with {python} -m pip install"
        raise Unavailable(f"the environment of {python} lacks the modules {', '.join(missing)}: {how}")
