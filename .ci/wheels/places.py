"""Where a trial takes place: the account, its interpreter, and the weights that were pulled before."""

import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from streamsrv.engines.catalogue import DEFAULT_MODELS, OPTIONAL_MODELS, load_catalogue
from streamsrv.engines.weights.store import ModelStore

NOBODY = "nobody"


@dataclass
class Account:
    """Who tries the wheel: an account without rights if this runs as root, else whoever runs this.

    `libraries`: what an interpreter that was copied needs in its environment.
    """

    uid: int
    gid: int
    scratch: Path
    is_other: bool
    libraries: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def for_trials(cls, scratch: Path) -> "Account":
        """Make its home folder and its folder for temporary files in `scratch`."""
        uid, gid = os.getuid(), os.getgid()
        if is_other := uid == 0:
            entry = pwd.getpwnam(NOBODY)
            uid, gid = entry.pw_uid, entry.pw_gid
        account = cls(uid, gid, scratch, is_other)
        for folder in ("home", "tmp", *(f"venv-3.{minor}" for minor in range(11, 16))):
            (scratch / folder).mkdir()
            os.chown(scratch / folder, uid, gid)
        return account

    def __str__(self) -> str:
        return f"{pwd.getpwuid(self.uid).pw_name} (uid {self.uid})"

    def run(self, *command: object, output: bool = False) -> None:
        """Run a command as this account, in its home, with nothing in its environment of ours; exit if it fails."""
        home = self.scratch / "home"
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "TMPDIR": str(self.scratch / "tmp"),
            "LANG": "C.UTF-8",
            **self.libraries,
        }
        who = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}
        done = subprocess.run(
            [str(part) for part in command],
            cwd=home,
            env=environment,
            stdout=None if output else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **who,
        )
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))} failed, as {self}:\n{done.stdout or ''}")


def find_python(version: str, scratch: Path, account: Account) -> Path | None:
    """A Python of this version that the account can use: as it is, or copied; None if there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    on_path = [Path(folder) / f"python{version}" for folder in (*os.get_exec_path(), "/usr/bin", "/usr/local/bin")]
    in_pyenv = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)
    account.libraries = {}
    usable = [python for python in (*on_path, *in_pyenv) if _can_make_environments(python)]
    for python in usable:
        if _is_readable_for_all(python):
            return python
    return _copy(usable[0], scratch, account) if usable else None


def _can_make_environments(python: Path) -> bool:
    """Whether it is a real interpreter, not a launcher that looks for one, and has venv and pip."""
    check = "import ensurepip, sys, venv; print(sys.executable)"
    if not python.exists():
        return False
    done = subprocess.run([python, "-I", "-c", check], capture_output=True, text=True, check=False)
    return done.returncode == 0 and Path(done.stdout.strip()) == python


def _is_readable_for_all(python: Path) -> bool:
    real = python.resolve()
    return all(path.stat().st_mode & 0o005 == 0o005 for path in (real, *real.parents))


def _copy(python: Path, scratch: Path, account: Account) -> Path:
    """Copy an installation of Python, without its tests and the packages that were installed into it."""
    source, copied = python.resolve().parent.parent, scratch / python.name
    unneeded = shutil.ignore_patterns("test", "site-packages", "__pycache__", "*.a", "idlelib", "tkinter", "share")
    shutil.copytree(source, copied, symlinks=True, ignore=unneeded)
    account.libraries = {"LD_LIBRARY_PATH": str(copied / "lib")}
    return copied / "bin" / python.name


def copy_default_weights(folder: Path) -> None:
    """Copy the weights of the default models from the model folder, which the account may not read."""
    catalogue, store = load_catalogue(), ModelStore()
    names = (*DEFAULT_MODELS.values(), *OPTIONAL_MODELS.values())
    for name in names:
        if store.missing(catalogue[name]):
            sys.exit(f"The weights of {name} are missing: run `streamsrv pull` first.")
    folders = {catalogue[name].folder for name in names if catalogue[name].weights}
    for each in folders:
        shutil.copytree(store.folder / each, folder / each)
