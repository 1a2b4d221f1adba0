"""Recordings of telephone calls: how both sides are aligned, and what is in the folder."""

import asyncio
import errno
import wave
from pathlib import Path

import numpy as np
import pytest

from streamsrv.transports.telephony import recording
from streamsrv.transports.telephony.recording import CallRecording, RecordingFacts, StereoTrack
from streamsrv.transports.telephony.recordings import (
    audio_of,
    delete_recording,
    find_recording,
    list_recordings,
    remove_unfinished,
)

RATE = 8000
FACTS = RecordingFacts("rtc_1", 1_700_000_000, "fake", "inbound", "desk", "caller_1")


def piece(value: int, duration_ms: int) -> "np.ndarray":
    return np.full(RATE * duration_ms // 1000, value, np.int16)


def test_both_sides_are_where_they_were_heard():
    track = StereoTrack(RATE)
    for number in range(50):
        track.add(0, piece(1, 20), (number + 1) * 0.02)
    track.add(1, piece(2, 100), 0.6)
    left, right = track.take(1.0).reshape(-1, 2).T
    assert (left == 1).all()
    assert np.flatnonzero(right).tolist() == list(range(4000, 4800))


def test_audio_that_comes_in_bursts_has_no_gaps():
    track = StereoTrack(RATE)
    for number in range(10):
        for _ in range(5):
            track.add(0, piece(1, 20), (number + 1) * 0.1)
    assert (track.take(1.0).reshape(-1, 2)[:, 0] == 1).all()


def test_what_was_taken_is_not_changed_by_what_comes_late():
    track = StereoTrack(RATE)
    track.add(0, piece(1, 1000), 1.0)
    assert not track.take(1.0).reshape(-1, 2)[:, 1].any()
    track.add(1, piece(2, 100), 1.05)
    right = track.take(2.0).reshape(-1, 2)[:, 1]
    assert np.count_nonzero(right) == 800


async def record(folder: Path) -> None:
    made = CallRecording(folder, FACTS, RATE)
    made.hear_caller(piece(1000, 400))
    made.hear_agent(piece(2000, 300))
    made.stop()
    await made.run()


async def test_a_recording_is_a_stereo_file_that_is_found_and_deleted(tmp_path: Path):
    folder = tmp_path / "calls"
    await record(folder)
    (found,) = list_recordings(folder)
    assert (found.id, found.seconds, found.is_complete) == ("rtc_1", 0.4, True)
    content = audio_of(folder, "rtc_1").read_bytes()
    left, right = np.frombuffer(content[44:], "<i2").reshape(-1, 2).T
    assert (left == 1000).all()
    assert (right[:2400] == 2000).all()
    assert not right[2400:].any()
    with wave.open(str(audio_of(folder, "rtc_1"))) as file:
        assert file.getparams()[:4] == (2, 2, RATE, 3200)
    assert audio_of(folder, "rtc_1").stat().st_mode & 0o077 == 0
    assert delete_recording(folder, "rtc_1")
    assert not list(folder.iterdir())
    assert not delete_recording(folder, "rtc_1")


async def test_a_full_disk_ends_the_recording_and_keeps_what_was_written(tmp_path: Path, monkeypatch, caplog):
    append = CallRecording._append
    calls = 0

    def full(self: CallRecording, audio: "np.ndarray") -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(self, audio)

    monkeypatch.setattr(CallRecording, "_append", full)
    monkeypatch.setattr(recording, "WRITE_S", 0)
    made = CallRecording(tmp_path, FACTS, RATE)
    await made.run()
    assert "No space left" in caplog.text
    (found,) = list_recordings(tmp_path)
    assert not found.is_complete
    made.hear_caller(piece(1, 100))  # is ignored


def test_a_folder_that_cannot_be_made_is_told_and_no_more(tmp_path: Path, caplog):
    (tmp_path / "file").write_text("")
    asyncio.run(record(tmp_path / "file" / "calls"))
    assert "the recording of call rtc_1 ends" in caplog.text


@pytest.mark.parametrize("call_id", ["../rtc_1", "rtc_1/../../x", "x", "rtc_", "rtc_1.json"])
async def test_no_other_file_can_be_reached(tmp_path: Path, call_id: str):
    folder = tmp_path / "calls"
    await record(folder)
    (tmp_path / "rtc_1.json").write_bytes((folder / "rtc_1.json").read_bytes())
    (tmp_path / "rtc_1.wav").write_bytes(b"")
    assert find_recording(folder, call_id) is None
    assert not delete_recording(folder, call_id)


def test_what_a_crash_has_left_is_removed(tmp_path: Path):
    (tmp_path / ".new-rtc_2.wav").write_bytes(b"")
    asyncio.run(record(tmp_path))
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rtc_1.json", "rtc_1.wav"]
