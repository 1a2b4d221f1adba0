"""A wait that may be ended from outside."""

import asyncio

import pytest

from streamsrv.engines.asr.interruptible import InterruptibleWait


async def after(reached: asyncio.Event) -> str:
    await reached.wait()
    return "decoded"


async def test_it_gives_the_result():
    reached = asyncio.Event()
    reached.set()
    assert await InterruptibleWait().result_of(after(reached)) == "decoded"


@pytest.mark.parametrize("error", [ValueError, TimeoutError])
async def test_an_error_is_raised(error):
    async def fail() -> None:
        raise error("broken")

    with pytest.raises(error, match="broken"):
        await InterruptibleWait().result_of(fail())


@pytest.mark.parametrize("times", [1, 2])
async def test_interrupting_ends_the_wait_and_not_the_task(times):
    wait = InterruptibleWait()
    task = asyncio.ensure_future(wait.result_of(after(asyncio.Event())))
    await asyncio.sleep(0)
    for _ in range(times):
        wait.interrupt()
    assert await task is None


async def test_interrupting_again_while_the_wait_ends_is_harmless():
    wait = InterruptibleWait()
    task = asyncio.ensure_future(wait.result_of(after(asyncio.Event())))
    await asyncio.sleep(0)
    wait.interrupt()
    while not task.done():
        wait.interrupt()
        await asyncio.sleep(0)
    assert await task is None


async def test_interrupting_nothing_does_not_end_the_next_wait():
    wait = InterruptibleWait()
    wait.interrupt()
    reached = asyncio.Event()
    reached.set()
    assert await wait.result_of(after(reached)) == "decoded"
