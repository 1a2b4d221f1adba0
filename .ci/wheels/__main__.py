"""Builds the sdist and the wheel, checks what is in them, and tries the wheel: `python .ci/wheels [PYTHON VERSION...]`.

Each trial is an environment of its own in a temporary folder, made and used by another user than root, without the
source tree. Python 3.11 gets every extra, the others what `make serve` installs. Without versions, all are tried. A
Python that is not there is skipped, and that is said.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from contents import problems_of
from places import Account, copy_default_weights, find_python

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = {"3.11": "all", "3.12": "server", "3.13": "server"}


def main() -> None:
    versions = sys.argv[1:] or list(EXTRAS)
    if unknown := set(versions) - set(EXTRAS):
        sys.exit(f"No Python {', '.join(sorted(unknown))} is tried; {', '.join(EXTRAS)} are.")
    with tempfile.TemporaryDirectory(prefix="streamsrv-wheels-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)
        wheel = build(scratch / "dist")
        account = Account.for_trials(scratch)
        copy_default_weights(scratch / "weights")
        (scratch / "trial.py").write_bytes(Path(__file__).with_name("trial.py").read_bytes())
        for version in versions:
            try_wheel(version, EXTRAS[version], wheel, account, scratch)


def build(dist: Path) -> Path:
    """Build both distributions and check them; returns the wheel."""
    run(sys.executable, "-m", "build", "--outdir", dist, ROOT)
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    if problems := problems_of(wheel, sdist):
        sys.exit("\n".join(problems))
    print(f"{wheel.name} and {sdist.name} contain what they must.", flush=True)
    return wheel


def try_wheel(version: str, extras: str, wheel: Path, account: Account, scratch: Path) -> None:
    """Install the wheel with these extras on this Python and use it, or say that there is no such Python."""
    started = time.monotonic()
    python = find_python(version, scratch, account)
    if python is None:
        print(f"SKIPPED: Python {version} (with venv and pip) is not installed here.", flush=True)
        return
    venv = scratch / f"venv-{version}"
    account.run(python, "-m", "venv", venv)
    install(f"{wheel}[{extras}]", venv / "bin/python", account, scratch / f"wheels-{version}")
    installed = time.monotonic()
    account.run(venv / "bin/python", scratch / "trial.py", scratch / "weights", extras, output=True)
    took = f"installed in {installed - started:.0f} s, tried in {time.monotonic() - installed:.0f} s"
    print(f"Python {version}: streamsrv[{extras}] {took}, as {account}.", flush=True)


def install(requirement: str, python: Path, account: Account, wheelhouse: Path) -> None:
    """Install as the account. Packages come through the cache of whoever runs this, which the account may not read."""
    constraints = ("--constraint", ROOT / "constraints.txt")
    if not account.is_other:
        account.run(python, "-m", "pip", "install", "--quiet", *constraints, requirement)
        return
    pip = (python, "-m", "pip")
    run(*pip, "wheel", "--quiet", *constraints, "--wheel-dir", wheelhouse, requirement, environment=account.libraries)
    account.run(*pip, "install", "--quiet", "--no-index", "--find-links", wheelhouse, requirement)


def run(*command: object, environment: dict[str, str] | None = None) -> None:
    """Run a command as whoever runs this; its output is shown only if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}")


if __name__ == "__main__":
    main()
