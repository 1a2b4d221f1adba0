"""A stop that is cancelled just as the process ends."""

import asyncio
from typing import Any

import pytest

from streamsrv.processes.framing import Framing, Heartbeat
from streamsrv.processes.worker_process import WorkerProcess


class EndingProcess:
    """A fake of `asyncio.subprocess.Process` that ends when it is told to."""

    pid, returncode = 1, 0

    def __init__(self) -> None:
        self.ended = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        await self.ended
        return 0


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_is_never_lost(turns: int):
    worker: Any = WorkerProcess("fake", Framing[Heartbeat](Heartbeat), lambda _: None, lambda: None)
    worker._process = process = EndingProcess()
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    process.ended.set_result(None)
    for _ in range(turns):  # turns of the event loop
        await asyncio.sleep(0)
    is_cancelled = stopping.cancel()
    await asyncio.wait([stopping])
    assert stopping.cancelled() == is_cancelled
