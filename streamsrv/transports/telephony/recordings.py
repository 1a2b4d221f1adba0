"""The recordings of telephone calls in a folder. All functions read or write files: call them on a thread."""

import re
from pathlib import Path

import msgspec

from streamsrv.transports.telephony.recording import NEW, RecordingFacts

ID = re.compile(r"rtc_[A-Za-z0-9_-]{1,200}")


def list_recordings(folder: Path) -> list[RecordingFacts]:
    """Return what is known of all recordings, the oldest first."""
    found = [facts for path in folder.glob("rtc_*.json") if (facts := find_recording(folder, path.stem)) is not None]
    return sorted(found, key=lambda facts: (facts.created_at, facts.id))


def find_recording(folder: Path, call_id: str) -> RecordingFacts | None:
    """Return what is known of a recording; None: there is no whole one of this id."""
    if not ID.fullmatch(call_id) or not audio_of(folder, call_id).is_file():
        return None
    try:
        return msgspec.json.decode((folder / f"{call_id}.json").read_bytes(), type=RecordingFacts)
    except (OSError, msgspec.DecodeError):
        return None


def audio_of(folder: Path, call_id: str) -> Path:
    """Return where the audio of a recording is: a WAV file, the caller on the left."""
    return folder / f"{call_id}.wav"


def delete_recording(folder: Path, call_id: str) -> bool:
    """Delete a recording; return whether there was one."""
    if find_recording(folder, call_id) is None:
        return False
    audio_of(folder, call_id).unlink(missing_ok=True)
    (folder / f"{call_id}.json").unlink(missing_ok=True)
    return True


def remove_unfinished(folder: Path) -> None:
    """Remove what a crash has left. Call it before the first call is recorded."""
    for path in folder.glob(f"{NEW}rtc_*"):
        path.unlink(missing_ok=True)
