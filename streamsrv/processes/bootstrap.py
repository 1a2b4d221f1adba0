"""Runs a module of this package under a Python of another environment: `python bootstrap.py VERSION MODULE ...`.

Only this package comes from the server's environment. Everything else comes from the other one, because packages are
built for one version of Python, and the two environments may want different versions of them.
"""

import os
import runpy
import sys
from pathlib import Path
from types import ModuleType


def main() -> None:
    """Make `streamsrv` importable, and run the module with the rest of the arguments."""
    version, module, *arguments = sys.argv[1:]
    package = ModuleType("streamsrv")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    package.__version__ = version  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules["streamsrv"] = package
    from streamsrv import telemetry

    telemetry.turn_off(os.environ)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
