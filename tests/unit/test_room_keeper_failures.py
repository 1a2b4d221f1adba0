"""Caption rooms on a disk that fails: what is said of it, and that nothing is lost for longer than it lasts."""

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from streamsrv.captions import keeper as keeping
from streamsrv.captions import room_files
from streamsrv.captions.room import Cursor
from test_caption_room import parsed
from test_room_keeper import Server, files, server, texts


def full(*_: object) -> int:
    raise OSError(28, "No space left on device")


def cut(path: Path, *_: object) -> int:
    with path.open("ab") as file:
        file.write(b'{"kind":"caption","num')
    raise OSError(28, "No space left on device")


def rename(running: Server, title: str) -> None:
    opened = running.rooms.find("main")
    assert opened is not None
    opened.room.enter("bob", "Bob", title)
    opened.changed()


async def test_a_disk_that_fails_is_told_and_all_is_written_when_it_works_again(tmp_path, monkeypatch, caplog):
    async with server(tmp_path) as first:
        opened = first.say("One.")
        await first.keeper.flush()
        with monkeypatch.context() as broken:
            broken.setattr(room_files, "append", full)
            broken.setattr(room_files, "write", full)
            first.say("Two.")
            async with aclosing(opened.watch(opened.room.since(Cursor())[1])) as news:
                waiting = asyncio.ensure_future(anext(news))
                await asyncio.sleep(0)
                await first.keeper.flush()
                assert parsed([await waiting])[0][1]["kept"] is False
            assert "No space left on device" in first.keeper.problem
            assert not first.say("Hello.", room="new").room.is_kept
        first.say("Three.")
        await first.keeper.flush()
        assert (first.keeper.problem, opened.room.is_kept) == ("", True)
    async with server(tmp_path) as second:
        assert texts(second.rooms.find("main")) == ["One.", "Two.", "Three."]


async def test_a_line_that_a_full_disk_has_cut_loses_no_other(tmp_path, monkeypatch):
    async with server(tmp_path) as first:
        first.say("One.")
        await first.keeper.flush()
        with monkeypatch.context() as broken:
            broken.setattr(room_files, "append", cut)
            first.say("Two.")
            await first.keeper.flush()
        first.say("Three.")
    async with server(tmp_path) as second:
        assert texts(second.rooms.find("main")) == ["One.", "Two.", "Three."]


@pytest.mark.parametrize("cause", ["disk", "crash"])
async def test_a_line_that_was_cut_does_not_take_the_next_title_with_it(tmp_path, monkeypatch, cause: str):
    async with server(tmp_path) as first:
        first.say("One.")
        await first.keeper.flush()
        (path,) = files(tmp_path)
        if cause == "disk":
            with monkeypatch.context() as broken:
                broken.setattr(room_files, "append", cut)
                first.say("Two.")
                await first.keeper.flush()
            rename(first, "Another")
    if cause == "crash":
        os.truncate(path, path.stat().st_size - 5)
        async with server(tmp_path) as restarted:
            rename(restarted, "Another")
    async with server(tmp_path) as last:
        assert last.rooms.find("main").room.title == "Another"


async def test_what_could_not_be_written_is_written_without_another_change(tmp_path, monkeypatch):
    async with server(tmp_path) as first:
        first.say("One.")
        with monkeypatch.context() as broken:
            broken.setattr(room_files, "write", full)
            await first.keeper.flush()
        assert not files(tmp_path)
        await first.keeper.flush()
        assert b"One." in files(tmp_path)[0].read_bytes()


async def test_a_room_is_kept_again_when_the_change_that_could_not_be_written_was_taken_back(tmp_path, monkeypatch):
    async with server(tmp_path) as first:
        opened = first.rooms.open("main")
        rename(first, "One")
        await first.keeper.flush()
        with monkeypatch.context() as broken:
            broken.setattr(room_files, "append", full)
            rename(first, "Two")
            await first.keeper.flush()
        assert not opened.room.is_kept
        rename(first, "One")
        await first.keeper.flush()
        assert opened.room.is_kept


async def test_a_file_that_has_become_too_long_is_written_anew_without_another_change(tmp_path, monkeypatch):
    async with server(tmp_path) as first:
        for number in range(50):
            first.say(f"Number {number}.")
        await first.keeper.flush()
        (path,) = files(tmp_path)
        size = path.stat().st_size
        monkeypatch.setattr(room_files, "MAX_FILE_BYTES", size)
        monkeypatch.setattr(keeping, "MAX_FILE_BYTES", size)
        first.say("The last.")
        await first.keeper.flush()
        await first.keeper.flush()
        assert path.stat().st_size <= size / 2 + 1000
        assert b"The last." in path.read_bytes()
