"""Caption rooms that outlive a restart: what is written, what is read again, and what a crash or a stranger leaves."""

import asyncio
import json
import os
import stat
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streamsrv.captions import keeper as keeping
from streamsrv.captions import room_files
from streamsrv.captions.room import MAX_FINAL_TEXTS, Cursor
from streamsrv.captions.rooms import OpenRoom, Rooms
from test_caption_room import parsed, said

MINUTE_MS = 60_000


class Server:
    """The caption rooms of a server that keeps them in a folder; its clock began when it started."""

    def __init__(self, folder: Path, max_rooms: int = 5, keep_ms: int = 30 * MINUTE_MS) -> None:
        keys = iter(f"{os.getpid() % 2**16:04x}{number:04x}" for number in range(time.time_ns() % 50_000, 65_536))
        began_ns = time.monotonic_ns()
        self.rooms = Rooms(
            max_rooms, keep_ms, lambda: next(keys), lambda: (time.monotonic_ns() - began_ns) // 1_000_000, folder
        )
        assert self.rooms.keeper is not None
        self.keeper = self.rooms.keeper
        self.audio_ms = 0

    def say(self, text: str, room: str = "main", item_id: str | None = None) -> OpenRoom:
        opened = self.rooms.open(room)
        if not opened.room.has_speaker("ann"):
            opened.room.enter("ann", "Ann", "The keynote")
        start_ms, self.audio_ms = self.audio_ms, self.audio_ms + 1000
        utterance = said(text, start_ms)
        opened.room.settle("ann", item_id or text, utterance, self.audio_ms, self.rooms.clock_ms())
        opened.changed()
        return opened


@asynccontextmanager
async def server(folder: Path, **options: int):
    made = Server(folder, **options)
    await made.rooms.restore()
    try:
        yield made
    finally:
        await made.keeper.aclose()


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("room-*"))


def texts(opened: OpenRoom | None) -> list[str]:
    assert opened is not None
    return [caption.utterance.text for caption in opened.room.captions]


async def test_a_room_is_the_same_after_a_restart(tmp_path):
    async with server(tmp_path / "rooms") as first:
        opened = first.say("One two.", item_id="a")
        first.say("Three.", item_id="b")
        opened.room.correct("a", "One and two.")
        opened.changed()
        before, cursor = opened.room.since(Cursor())
        assert opened.room.is_kept
    async with server(tmp_path / "rooms") as second:
        opened = second.rooms.find("main")
        assert (opened.room.key, opened.room.title, opened.room.is_kept) == (
            parsed(before)[0][1]["key"], "The keynote", True,
        )  # fmt: skip
        assert opened.room.since(Cursor())[0][1:] == before[1:]
        second.say("Four.", item_id="c")
        last_id = before[-1].decode().split("\n")[1].removeprefix("id: ")
        news, _ = opened.room.since(opened.room.cursor_of(last_id))
        assert [data["text"] for kind, data in parsed(news) if kind == "final"] == ["Four."]
        assert opened.room.captions[-1].number > cursor.final + 1_000_000, "no number is used twice"
        assert opened.room.captions[-1].utterance.start_ms >= opened.room.captions[-2].utterance.end_ms
    async with server(tmp_path / "rooms") as third:
        assert texts(third.rooms.find("main")) == ["One and two.", "Three.", "Four."]
        caption = third.rooms.find("main").room.captions[0]
        assert (caption.is_corrected, caption.speaker) == (True, "Ann")
        assert [word.text for word in caption.utterance.words] == ["One", "and", "two."]


async def test_the_time_of_the_room_goes_on_while_the_server_is_away(tmp_path):
    async with server(tmp_path) as first:
        first.say("Before.")
    (path,) = files(tmp_path)
    lines = path.read_bytes().splitlines()
    record = json.loads(lines[0])
    path.write_bytes(b"\n".join([json.dumps(record | {"began_at": record["began_at"] - 60_000}).encode(), *lines[1:]]))
    async with server(tmp_path) as second:
        second.say("After.")
        start_ms = second.rooms.find("main").room.captions[-1].utterance.start_ms
        assert 59_000 <= start_ms <= 75_000


async def test_only_the_user_of_the_server_can_read_the_files_and_no_name_reaches_the_folder(tmp_path):
    async with server(tmp_path / "new") as first:
        first.say("Secret.", room="Name-of-the-room")
        await first.keeper.flush()
        (path,) = files(tmp_path / "new")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert "Name" not in path.name


async def test_new_texts_are_appended(tmp_path):
    async with server(tmp_path) as first:
        first.say("One.")
        await first.keeper.flush()
        (path,) = files(tmp_path)
        before, inode = path.read_bytes(), path.stat().st_ino
        first.say("Two.")
        await first.keeper.flush()
        assert path.read_bytes().startswith(before)
        assert path.stat().st_ino == inode
        size = path.stat().st_size
        first.rooms.find("main").changed()
        await first.keeper.flush()
        assert path.stat().st_size == size, "a tentative text writes nothing"


@pytest.mark.parametrize("lost", [1, 10, 60])
async def test_a_file_that_a_crash_has_cut_is_read_as_far_as_it_goes(tmp_path, lost: int):
    async with server(tmp_path) as first:
        for text in ("One.", "Two.", "Three."):
            first.say(text)
    (path,) = files(tmp_path)
    os.truncate(path, path.stat().st_size - lost)
    async with server(tmp_path) as second:
        assert texts(second.rooms.find("main"))[:2] == ["One.", "Two."]
        second.say("Four.")
    async with server(tmp_path) as third:
        assert texts(third.rooms.find("main"))[-1] == "Four."


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\x00" * 1000,
        b'{"kind": "room"}',
        b'{"kind": "room", "name": "../../etc/passwd", "key": "00000000", "title": "", "began_at": 0}',
        b'{"kind": "room", "name": "other", "key": "11111111", "title": "", "began_at": 0}',
        b'{"kind": "caption", "number": 1, "item_id": "a", "speaker": "", "text": "x", "start": 0, "end": 1}',
        b"[" * 100_000,
    ],
)
async def test_a_file_with_something_else_in_it_stops_nothing(tmp_path, content: bytes):
    path = tmp_path / "room-00000000.jsonl"
    path.write_bytes(content)
    async with server(tmp_path) as first:
        assert first.rooms.count == 0
        first.say("One.")
    assert path.read_bytes() == content, "it is left for whoever wants to know, until it is too old"
    os.utime(path, (0, 0))
    async with server(tmp_path) as second:
        assert texts(second.rooms.find("main")) == ["One."]
    assert not path.exists()


async def test_lines_that_cannot_be_read_are_left_out(tmp_path):
    async with server(tmp_path) as first:
        first.say("One.")
        first.say("Two.")
    (path,) = files(tmp_path)
    head, one, *rest = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([head, one[:-5], b'{"kind": "caption", "text": 7}', b"\xff\xfe", *rest]))
    async with server(tmp_path) as second:
        assert texts(second.rooms.find("main")) == ["Two."]


async def test_links_folders_and_other_files_are_not_touched(tmp_path):
    outside = tmp_path / "outside"
    content = json.dumps({"kind": "room", "name": "linked", "key": "0000000a", "title": "", "began_at": None})
    outside.write_text(content)
    folder = tmp_path / "rooms"
    folder.mkdir()
    (folder / "room-0000000a.jsonl").symlink_to(outside)
    (folder / "room-0000000b.jsonl").mkdir()
    os.mkfifo(folder / "room-0000000c.jsonl")
    (folder / "notes.txt").write_text("mine")
    (folder / "room-0000000d.new").write_text("half")
    async with server(folder) as first:
        assert first.rooms.count == 0
        first.say("One.")
    assert (outside.read_text(), (folder / "notes.txt").read_text()) == (content, "mine")
    assert not (folder / "room-0000000d.new").exists()


async def test_a_room_that_has_ended_leaves_no_file(tmp_path):
    async with server(tmp_path, keep_ms=0) as first:
        opened = first.say("One.")
        await first.keeper.flush()
        assert files(tmp_path)
        opened.room.leave("ann", first.rooms.clock_ms() - 1000)
        assert first.rooms.find("main") is None
        await first.keeper.flush()
        assert not files(tmp_path)


async def test_a_room_that_nobody_asks_for_ends_too(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "TOUCH_S", 0.01)
    monkeypatch.setattr(keeping, "GATHER_S", 0.0)
    async with server(tmp_path, keep_ms=0) as first:
        opened = first.say("One.")
        work = asyncio.create_task(first.keeper.run())
        async with asyncio.timeout(20):
            while not files(tmp_path):
                await asyncio.sleep(0)
            opened.room.leave("ann", first.rooms.clock_ms() - 1000)
            while files(tmp_path):
                await asyncio.sleep(0)
        work.cancel()


async def test_cleared_text_is_gone_from_the_disk(tmp_path):
    async with server(tmp_path) as first:
        opened = first.say("Secret.")
        await first.keeper.flush()
        first.rooms.clear(opened)
        await first.keeper.flush()
        assert [b"Secret" in path.read_bytes() for path in files(tmp_path)] == [False]
        first.say("Open.")
    async with server(tmp_path) as second:
        assert texts(second.rooms.find("main")) == ["Open."]


async def test_rooms_that_are_too_old_or_too_many_are_removed(tmp_path):
    async with server(tmp_path) as first:
        for name in ("old", "one", "two", "three"):
            key = first.say("Hello.", room=name).room.key
            await first.keeper.flush()
            age_s = {"old": 3600, "one": 30, "two": 20, "three": 10}[name]
            os.utime(room_files.path_of(tmp_path, key), (time.time() - age_s,) * 2)
        first.rooms._rooms.clear()
    async with server(tmp_path, max_rooms=2) as second:
        assert (second.rooms.find("two"), second.rooms.find("three")) != (None, None)
        assert second.rooms.count == 2
        assert len(files(tmp_path)) == 2


async def test_the_age_of_a_room_counts_over_restarts(tmp_path):
    async with server(tmp_path) as first:
        key = first.say("Hello.").room.key
    path = room_files.path_of(tmp_path, key)
    os.utime(path, (time.time() - 1000,) * 2)
    async with server(tmp_path):
        pass
    assert path.stat().st_mtime < time.time() - 900
    async with server(tmp_path, keep_ms=999_000) as third:
        assert third.rooms.count == 0


async def test_a_room_in_which_nobody_speaks_for_long_is_in_use(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "TOUCH_S", 0.01)
    async with server(tmp_path) as first:
        key = first.say("Hello.").room.key
        await first.keeper.flush()
        path = room_files.path_of(tmp_path, key)
        os.utime(path, (0, 0))
        work = asyncio.create_task(first.keeper.run())
        async with asyncio.timeout(20):
            while path.stat().st_mtime < 1000:
                await asyncio.sleep(0)
        work.cancel()


async def test_a_second_server_does_not_write_to_the_same_folder(tmp_path, caplog):
    async with server(tmp_path) as first:
        first.say("One.")
        await first.keeper.flush()
        async with server(tmp_path) as second:
            assert second.rooms.count == 0
            assert "another server keeps its rooms there" in second.keeper.problem
            opened = second.say("Two.")
            assert not opened.room.is_kept
            await second.keeper.flush()
        assert len(files(tmp_path)) == 1


async def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    async with server(tmp_path / "file" / "rooms") as first:
        assert not first.say("One.").room.is_kept
        assert first.keeper.problem


async def test_a_long_file_is_written_anew_and_loses_its_oldest_texts(tmp_path, monkeypatch):
    monkeypatch.setattr(room_files, "MAX_FILE_BYTES", 10_000)
    monkeypatch.setattr(keeping, "MAX_FILE_BYTES", 10_000)
    async with server(tmp_path) as first:
        for number in range(200):
            first.say(f"Number {number}.")
            if number % 10 == 0:
                await first.keeper.flush()
            assert all(path.stat().st_size < 12_500 for path in files(tmp_path))
    async with server(tmp_path) as second:
        kept = texts(second.rooms.find("main"))
        assert kept[-1] == "Number 199."
        assert 10 < len(kept) < 100


async def test_a_room_keeps_no_more_on_the_disk_than_in_memory(tmp_path):
    async with server(tmp_path) as first:
        for number in range(MAX_FINAL_TEXTS + 50):
            first.say(f"{number}")
            if number == 100:
                await first.keeper.flush()
    async with server(tmp_path) as second:
        kept = texts(second.rooms.find("main"))
        assert (len(kept), kept[0]) == (MAX_FINAL_TEXTS, "50")


async def test_two_files_of_one_name_are_one_room(tmp_path):
    for key, age_s in (("0000000a", 20), ("0000000b", 10)):
        record = {"kind": "room", "name": "main", "key": key, "title": key, "began_at": None}
        path = tmp_path / f"room-{key}.jsonl"
        path.write_text(json.dumps(record))
        os.utime(path, (time.time() - age_s,) * 2)
    async with server(tmp_path) as first:
        assert first.rooms.find("main").room.title == "0000000b"
    assert len(files(tmp_path)) == 1


async def test_without_a_folder_nothing_is_kept():
    rooms = Rooms(5, 1000, lambda: "k1")
    await rooms.restore()
    assert rooms.keeper is None
    assert rooms.open("main").room.status["kept"] is False


async def test_of_a_folder_with_very_many_files_only_some_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(room_files, "MAX_FOLDER_ENTRIES", 3)
    for number in range(10):
        record = {"kind": "room", "name": f"room{number}", "key": f"{number:08x}", "title": "", "began_at": None}
        room_files.path_of(tmp_path, f"{number:08x}").write_text(json.dumps(record))
    async with server(tmp_path, max_rooms=100) as first:
        assert first.rooms.count <= 3
