import asyncio

import pytest

from streamsrv import supervisor as module
from streamsrv.supervisor import MAX_RESTARTS, Supervisor

PATIENCE_S = 10


async def fail() -> None:
    raise RuntimeError("out of order")


async def test_a_task_that_fails_takes_nothing_else_with_it(caplog: pytest.LogCaptureFixture):
    go_on, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        done.set()

    async with Supervisor() as supervisor:
        supervisor.spawn(work(), "the other one")
        failed = supervisor.spawn(fail(), "the broken one")
        await asyncio.wait([failed])
        go_on.set()
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
        assert supervisor.problems == []
    assert "the broken one failed" in caplog.text


@pytest.mark.parametrize("end", ["fails", "returns"])
async def test_kept_work_is_started_again(end: str):
    runs: asyncio.Queue[int] = asyncio.Queue()

    async def work() -> None:
        runs.put_nowait(1)
        if runs.qsize() < 3:
            if end == "fails":
                await fail()
            return
        await asyncio.Event().wait()

    async with Supervisor(first_restart_s=0.001) as supervisor:
        supervisor.keep(work, "work")
        async with asyncio.timeout(PATIENCE_S):
            while runs.qsize() < 3:
                await asyncio.sleep(0.001)
        assert supervisor.problems == []


async def test_kept_work_that_always_fails_is_a_problem():
    async with Supervisor(first_restart_s=0.0001) as supervisor:
        supervisor.keep(fail, "the watch")
        async with asyncio.timeout(PATIENCE_S):
            while not supervisor.problems:
                await asyncio.sleep(0.001)
        assert supervisor.problems == ["the watch has failed for good: RuntimeError: out of order."]


async def test_failures_that_are_far_apart_do_not_count_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "STEADY_S", -1.0)
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        await fail()

    async with Supervisor(first_restart_s=0.0001) as supervisor:
        supervisor.keep(work, "work")
        async with asyncio.timeout(PATIENCE_S):
            while runs < 3 * MAX_RESTARTS:
                await asyncio.sleep(0.001)
        assert supervisor.problems == []


async def test_the_end_of_the_block_cancels_what_is_left_and_is_a_problem():
    supervisor = Supervisor()
    async with supervisor:
        left = supervisor.spawn(asyncio.Event().wait(), "left")  # type: ignore[arg-type]
    assert left.cancelled()
    assert supervisor.problems == ["Background work has ended."]


async def test_nothing_starts_outside_of_the_block():
    work = fail()
    with pytest.raises(RuntimeError, match="work cannot start"):
        Supervisor().spawn(work, "work")
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await work
