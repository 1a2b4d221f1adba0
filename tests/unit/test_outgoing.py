"""The queue of what waits for a client."""

import asyncio

from streamsrv.session.outgoing import OutgoingQueue


async def test_frames_come_out_in_order_and_then_the_end():
    queue = OutgoingQueue()
    assert queue.put(b"1")
    assert queue.put(b"2")
    queue.end()
    assert [await queue.get() for _ in range(3)] == [b"1", b"2", None]


async def test_it_takes_no_more_than_its_bytes():
    queue = OutgoingQueue(max_bytes=10)
    assert queue.put(b"123456")
    assert not queue.put(b"12345")
    assert queue.put(b"1234")
    await queue.get()
    assert queue.put(b"12345")


async def test_who_waits_is_woken():
    queue = OutgoingQueue()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(queue.get())
        await asyncio.sleep(0)
        queue.put(b"x")
    assert waiting.result() == b"x"
