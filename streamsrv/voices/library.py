"""Keeps the cloned voices of all API keys in a folder, and tells each key its own."""

import asyncio
import logging
import os
import shutil
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from platformdirs import user_data_path

from streamsrv.audio.files import wav
from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.core.capabilities import ClonedVoice
from streamsrv.engines.tts.base import ReferenceVoice
from streamsrv.errors import Unavailable

logger = logging.getLogger(__name__)

RECORDING, FACTS = "recording.wav", "voice.json"
_NEW, _OLD = ".new-", ".old-"
"""Beginnings of the names of folders that are being written and removed. What a crash leaves is removed at the next
start."""

Result = TypeVar("Result")


class VoiceRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a cloned voice besides its recording: the file `voice.json`."""

    id: str
    name: str
    owner: str
    """The fingerprint of the API key that made it."""
    created_at: int
    """Unix seconds."""
    seconds: float
    """Length of the recording."""
    consent: bool
    """Whether the owner stated that the person whose voice it is agrees to its use."""


class TooManyVoices(Exception):
    """The key has as many cloned voices as it may have."""


class NameTaken(Exception):
    """The key has a cloned voice of this name."""


@dataclass(slots=True)
class _Shelf:
    """The voices of one key."""

    records: dict[str, VoiceRecord] = field(default_factory=dict[str, VoiceRecord])
    clones: dict[str, ClonedVoice] = field(default_factory=dict[str, ClonedVoice])


class VoiceLibrary:
    """The cloned voices of one server. Only this process changes the folder while it runs.

    `folder`: None: `voices` in the user's data folder. It is read once, here, and made with the first voice. A voice is
    a folder in it, which only the user of the server can read, and which appears whole or not at all.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = voice_folder(folder)
        self._shelves: dict[str, _Shelf] = {}
        self._changing = asyncio.Lock()
        for record in _read(self.folder):
            self._put(record)

    def of(self, owner: str) -> Mapping[str, ClonedVoice]:
        """Return the voices of a key by id, the oldest first: a view, in which they come and go."""
        return MappingProxyType(self._shelf(owner).clones)

    def records(self, owner: str) -> Mapping[str, VoiceRecord]:
        """Return what is known of the voices of a key by id, the oldest first."""
        return MappingProxyType(self._shelf(owner).records)

    def check_room(self, owner: str, name: str, most: int) -> None:
        """Raise `TooManyVoices` or `NameTaken` if the key cannot have another voice of this name."""
        held = self._shelf(owner).records.values()
        if len(held) >= most:
            raise TooManyVoices
        if any(record.name == name for record in held):
            raise NameTaken

    async def add(self, record: VoiceRecord, pcm: NDArray[np.int16], most: int) -> None:
        """Store a voice with its recording (mono int16 at 24 kHz).

        Raises as `check_room`, and `Unavailable` if it cannot be written. A cancelled call has stored the voice.
        """
        await _to_the_end(self._add(record, pcm, most))

    async def _add(self, record: VoiceRecord, pcm: NDArray[np.int16], most: int) -> None:
        async with self._changing:
            self.check_room(record.owner, record.name, most)
            try:
                await asyncio.to_thread(_write, self.folder, record, pcm)
            except OSError as error:
                logger.error("a cloned voice cannot be stored in %s: %s", self.folder, error.strerror)
                raise Unavailable(f"The voice could not be stored: {error.strerror}.") from error
            self._put(record)

    async def remove(self, owner: str, voice_id: str) -> bool:
        """Forget a voice and remove its files; return whether the key had it. Raises `Unavailable`.

        Who speaks with it now may do so until the end of the answer.
        """
        return await _to_the_end(self._remove(owner, voice_id))

    async def _remove(self, owner: str, voice_id: str) -> bool:
        async with self._changing:
            shelf = self._shelf(owner)
            if voice_id not in shelf.records:
                return False
            try:
                await asyncio.to_thread(_remove, self.folder, voice_id)
            except OSError as error:
                logger.error("a cloned voice cannot be removed from %s: %s", self.folder, error.strerror)
                raise Unavailable(f"The voice could not be removed: {error.strerror}.") from error
            del shelf.records[voice_id], shelf.clones[voice_id]
            return True

    def _shelf(self, owner: str) -> _Shelf:
        return self._shelves.setdefault(owner, _Shelf())

    def _put(self, record: VoiceRecord) -> None:
        shelf = self._shelf(record.owner)
        reference = ReferenceVoice(record.id, self.folder / record.id / RECORDING)
        shelf.records[record.id] = record
        shelf.clones[record.id] = ClonedVoice(record.id, record.name, reference)


def voice_folder(chosen: Path | None) -> Path:
    """Return where cloned voices are kept; None: in the user's data folder."""
    return chosen or user_data_path("streamsrv") / "voices"


async def _to_the_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Return what `work` returns. A cancellation waits until it has ended."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _read(folder: Path) -> list[VoiceRecord]:
    """Return the voices in the folder, the oldest first. What cannot be read is logged, and left as it is."""
    try:
        places = list(folder.iterdir()) if folder.exists() else []
    except OSError as error:
        logger.warning("the cloned voices in %s cannot be read: %s", folder, error.strerror)
        return []
    found: list[VoiceRecord] = []
    for place in places:
        if place.name.startswith((_NEW, _OLD)):
            shutil.rmtree(place, ignore_errors=True)
        elif place.is_dir():
            found += _read_voice(place)
    return sorted(found, key=lambda record: record.created_at)


def _read_voice(place: Path) -> Iterator[VoiceRecord]:
    try:
        record = msgspec.json.decode((place / FACTS).read_bytes(), type=VoiceRecord)
        if record.id != place.name or not (place / RECORDING).is_file():
            raise ValueError("it is incomplete, or was renamed")
    except (OSError, ValueError) as error:  # msgspec's errors are ValueErrors
        logger.warning("the cloned voice in %s cannot be read: %s", place, error)
        return
    yield record


def _write(folder: Path, record: VoiceRecord, pcm: NDArray[np.int16]) -> None:
    """Write a voice so that after a crash it is there whole, or not at all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = folder / f"{_NEW}{record.id}"
    place.mkdir(mode=0o700)
    try:
        _write_file(place / RECORDING, wav(pcm, PCM_RATE_HZ))
        _write_file(place / FACTS, msgspec.json.encode(record))
        _sync_folder(place)
        place.rename(folder / record.id)
        _sync_folder(folder)
    except OSError:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _write_file(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(folder: Path, voice_id: str) -> None:
    """Remove a voice; if it is gone already, all is well."""
    place = folder / f"{_OLD}{voice_id}"
    try:
        (folder / voice_id).rename(place)
    except FileNotFoundError:
        return
    shutil.rmtree(place)
