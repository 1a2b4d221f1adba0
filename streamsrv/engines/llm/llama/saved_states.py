"""Temporary files for the states of conversations, of which nothing is left after any end of the process.

The states hold what users said. Where the system has `/proc`, the files have no names, so the kernel deletes them with
the process. Elsewhere they are in a private folder, which a later process deletes if this one was killed.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO, Protocol

_DESCRIPTORS = "/proc/self/fd/"
_PREFIX = "streamsrv-states-"
_LOCK = "lock"


class SavedStates(Protocol):
    """Files, by number, that a library in this process opens by path. Not thread-safe."""

    folder: str
    """The folder of all files, with a slash at its end."""

    def name(self, number: int) -> str:
        """Return the name of a file in `folder`. Raises `OSError` if there can be none."""
        ...

    def delete(self, number: int) -> None:
        """Delete the contents of a file, if it has any."""
        ...

    def close(self) -> None:
        """Delete all files."""
        ...


def saved_states() -> SavedStates:
    """Return files without names where the system lets a process open those by path, else `NamedStates`.

    Raises `OSError`.
    """
    return UnnamedStates() if os.access(_DESCRIPTORS, os.X_OK) else NamedStates()


class UnnamedStates:
    """Unnamed temporary files, which are opened through their descriptors.

    A descriptor is closed at the end only: a path that is used late must not lead to another file.
    """

    folder = _DESCRIPTORS

    def __init__(self) -> None:
        self._used: dict[int, IO[bytes]] = {}
        self._free: list[IO[bytes]] = []

    def name(self, number: int) -> str:
        if number not in self._used:
            file = self._free.pop() if self._free else tempfile.TemporaryFile()  # noqa: SIM115
            self._used[number] = file
        return str(self._used[number].fileno())

    def delete(self, number: int) -> None:
        if (file := self._used.pop(number, None)) is not None:
            os.ftruncate(file.fileno(), 0)
            self._free.append(file)

    def close(self) -> None:
        for file in [*self._used.values(), *self._free]:
            file.close()
        self._used, self._free = {}, []


class NamedStates:
    """Files in a private temporary folder. Making one deletes the folders of processes that were killed."""

    def __init__(self) -> None:
        _delete_abandoned()
        # The folder gets the name that others look for when it is locked.
        unlocked = Path(tempfile.mkdtemp(prefix="streamsrv-"))
        self._lock = (unlocked / _LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._folder = unlocked.rename(unlocked.with_name(_PREFIX + unlocked.name.removeprefix("streamsrv-")))
        self.folder = f"{self._folder}/"

    def name(self, number: int) -> str:
        return str(number)

    def delete(self, number: int) -> None:
        (self._folder / str(number)).unlink(missing_ok=True)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._lock.close()


def _delete_abandoned() -> None:
    """Delete the folders of processes that have ended: nobody holds their locks, as the kernel releases them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # in use, or another user's
