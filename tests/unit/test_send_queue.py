"""The queue of what waits for a client."""

import asyncio

from streamsrv.runtime.send_queue import SendQueue


async def test_frames_come_out_in_order_and_then_the_end():
    queue = SendQueue()
    assert queue.put(b"1")
    assert queue.put(b"2")
    queue.end()
    assert [await queue.get() for _ in range(3)] == [b"1", b"2", None]


async def test_it_takes_no_more_than_its_bytes():
    queue = SendQueue(max_bytes=10)
    assert queue.put(b"123456")
    assert not queue.put(b"12345")
    assert queue.put(b"1234")
    await queue.get()
    assert queue.put(b"12345")


async def test_an_empty_queue_takes_a_frame_of_any_size():
    queue = SendQueue(max_bytes=10)
    assert queue.put_unmade(iter((b"long",)), 1000)
    assert not queue.put(b"x")
    assert [await queue.get() for _ in range(1)] == [b"long"]


async def test_one_waits_until_what_is_queued_was_taken_and_not_for_what_comes_later():
    queue = SendQueue()
    queue.put(b"1")
    queue.put(b"2")
    waiting = asyncio.ensure_future(queue.wait_until_taken(10))
    await asyncio.sleep(0)
    queue.put(b"3")
    await queue.get()
    await asyncio.sleep(0)
    assert not waiting.done()
    await queue.get()
    assert await waiting


async def test_one_does_not_wait_for_a_client_that_takes_nothing():
    queue = SendQueue()
    queue.put(b"1")
    assert not await queue.wait_until_taken(0.001)


async def test_a_waiting_reader_is_woken():
    queue = SendQueue()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(queue.get())
        await asyncio.sleep(0)
        queue.put(b"x")
    assert waiting.result() == b"x"


async def test_frames_that_are_not_made_yet_keep_their_place_and_are_made_one_by_one():
    made: list[bytes] = []

    def make():
        for frame in (b"2", b"3"):
            made.append(frame)
            yield frame

    queue = SendQueue()
    queue.put(b"1")
    assert queue.put_unmade(make(), 100)
    queue.put(b"4")
    queue.end()
    assert await queue.get() == b"1"
    assert made == []
    assert await queue.get() == b"2"
    assert made == [b"2"]
    assert [await queue.get() for _ in range(3)] == [b"3", b"4", None]


async def test_what_frames_are_made_of_counts_until_all_are_made():
    queue = SendQueue(max_bytes=10)
    assert queue.put_unmade(iter((b"1", b"2")), 8)
    assert not queue.put(b"123")
    assert [await queue.get() for _ in range(2)] == [b"1", b"2"]
    queue.put(b"3")
    assert await queue.get() == b"3"
    assert queue.put_unmade(iter(()), 10)
    queue.end()
    assert await queue.get() is None


async def test_other_tasks_run_between_frames_that_are_being_made():
    queue = SendQueue()
    turns: list[str] = []

    def make():
        for _ in range(3):
            turns.append("made")
            yield b"x"

    async def send() -> None:
        while await queue.get() is not None:
            pass

    async def other() -> None:
        for _ in range(3):
            turns.append("other")
            await asyncio.sleep(0)

    queue.put_unmade(make(), 3)
    queue.end()
    await asyncio.gather(send(), other())
    assert turns == ["other", "made"] * 3
