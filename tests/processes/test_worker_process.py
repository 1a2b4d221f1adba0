"""Helper processes are started, watched, spoken to and stopped."""

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from streamsrv.errors import Unavailable
from streamsrv.processes import worker_process
from streamsrv.processes.environment import helper_environment
from streamsrv.processes.usage import USAGES, Total
from streamsrv.processes.worker_process import WorkerProcess

sys.path.append(str(Path(__file__).parent))
from echo_worker import FRAMING, Say

PATIENCE_S = 20


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


class Helper:
    """A worker process whose messages and end can be waited for."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.ended = asyncio.Event()
        self.process: WorkerProcess[Say]

    async def start(self, module: str = "echo_worker") -> "Helper":
        self.process = await WorkerProcess[Say].spawn(module, FRAMING, self._take, self.ended.set, name="echo")
        return self

    async def ask(self, text: str) -> str:
        self.process.send(Say(text))
        async with asyncio.timeout(PATIENCE_S):
            return await self.heard.get()

    def _take(self, message: Say) -> None:
        if message.text == "fail":
            raise RuntimeError("the listener is broken")
        self.heard.put_nowait(message.text)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_what_is_sent_comes_back():
    helper = await Helper().start()
    assert await helper.ask("hello") == "hello"
    await helper.process.stop()
    assert helper.ended.is_set()
    assert not is_running(helper.process.pid)


async def test_it_tells_what_it_uses_and_that_is_kept_after_its_end():
    before = USAGES.totals.get("echo", Total())
    helper = await Helper().start()
    await helper.ask("hello")
    async with asyncio.timeout(PATIENCE_S):
        while helper.process.cpu_s == 0:
            await asyncio.sleep(0.01)
    running = USAGES.totals["echo"]
    assert (running.running, running.deaths) == (1, before.deaths)
    assert running.memory > 1_000_000
    await helper.process.stop()
    ended = USAGES.totals["echo"]
    assert (ended.running, ended.memory, ended.deaths) == (0, 0, before.deaths)
    assert ended.cpu_s >= running.cpu_s > before.cpu_s


async def test_what_dies_is_counted():
    deaths = USAGES.totals.get("echo", Total()).deaths
    helper = await Helper().start()
    await helper.ask("hello")
    os.kill(helper.process.pid, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        await helper.ended.wait()
    assert USAGES.totals["echo"].deaths == deaths + 1
    await helper.process.stop()


async def test_a_listener_that_fails_does_not_cost_the_link(caplog: pytest.LogCaptureFixture):
    helper = await Helper().start()
    helper.process.send(Say("fail"))
    assert await helper.ask("hello") == "hello"
    assert "the listener is broken" in caplog.text
    await helper.process.stop()


async def test_a_process_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker_process, "HANG_S", 1.5)
    helper = await Helper().start()
    await helper.ask("hello")
    helper.process.send(Say("hang"))
    async with asyncio.timeout(PATIENCE_S):
        await helper.ended.wait()
    await helper.process.stop()


async def test_a_process_that_is_slow_to_start_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker_process, "HANG_S", 1.5)
    helper = await Helper().start("slow_worker")
    assert await helper.ask("hello") == "hello"
    await helper.process.stop()


async def test_a_process_that_never_starts_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker_process, "START_S", 1.0)
    helper = await Helper().start("slow_worker")
    async with asyncio.timeout(PATIENCE_S):
        await helper.ended.wait()
    await helper.process.stop()


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_healthy_process_is_left_alone_when_the_server_stood_still(
    monkeypatch: pytest.MonkeyPatch, loop_factory: Callable[[], asyncio.AbstractEventLoop]
):
    monkeypatch.setattr(worker_process, "HANG_S", 1.5)

    async def stand_still() -> None:
        helper = await Helper().start()
        await helper.ask("hello")
        for _ in range(3):
            time.sleep(3)  # noqa: ASYNC251  # nothing else runs meanwhile, neither timers nor sockets
            assert await helper.ask("hello") == "hello"
        assert not helper.ended.is_set()
        await helper.process.stop()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(stand_still())


async def test_a_process_that_was_suspended_for_a_moment_is_left_alone():
    helper = await Helper().start()
    await helper.ask("hello")
    os.kill(helper.process.pid, signal.SIGSTOP)
    waited = asyncio.get_running_loop().time() + 2 * worker_process.TICK_S
    asyncio.get_running_loop().call_at(waited, os.kill, helper.process.pid, signal.SIGCONT)
    assert await helper.ask("hello") == "hello"
    await helper.process.stop()


async def test_a_process_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker_process, "STOP_S", 1.0)
    helper = await Helper().start()
    helper.process.send(Say("deafen"))
    await helper.ask("hello")
    await helper.process.stop()
    assert not is_running(helper.process.pid)


async def test_a_module_that_does_not_exist_ends_at_once():
    helper = await Helper().start("no_such_module")
    async with asyncio.timeout(PATIENCE_S):
        await helper.ended.wait()
    await helper.process.stop()


async def test_without_a_descriptor_for_the_link_it_is_unavailable(monkeypatch: pytest.MonkeyPatch):
    def exhausted() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(socket, "socketpair", exhausted)
    with pytest.raises(Unavailable, match=r"No echo process can be started: .*Too many open files"):
        await Helper().start()


async def test_without_descriptors_for_the_process_it_is_unavailable_and_none_is_lost(monkeypatch: pytest.MonkeyPatch):
    await (await Helper().start()).process.stop()  # what the first one opens for good
    before = descriptors()

    async def exhausted(*_: Any, **__: Any) -> Coroutine[Any, Any, None]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", exhausted)
    with pytest.raises(Unavailable, match="Too many open files"):
        await Helper().start()
    assert descriptors() == before


async def test_it_gets_no_secret_of_the_server(monkeypatch: pytest.MonkeyPatch):
    secrets = ["OPENAI_API_KEY", "STREAMSRV_API_KEYS", "STREAMSRV_SECRET_KEY", "HF_TOKEN", "SSL_CERT_FILE", "AWS_X"]
    for name in secrets:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_TIME", "C")
    helper = await Helper().start()
    names = (await helper.ask("environment")).split("\n")
    assert not set(secrets) & set(names)
    assert {"PATH", "PYTHONPATH", "LC_TIME"} <= set(names)
    await helper.process.stop()


async def test_signals_that_end_the_server_do_not_end_it():
    """Terminals and service managers signal it together with the server, which still has calls to end."""
    helper = await Helper().start()
    assert await helper.ask("environment")  # it runs
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(helper.process.pid, number)
    assert await helper.ask("environment")
    await helper.process.stop()


async def test_it_logs_at_the_level_of_the_server():
    logger = logging.getLogger("streamsrv")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        helper = await Helper().start()
    finally:
        logger.setLevel(before)
    assert await helper.ask("log level") == "DEBUG"
    await helper.process.stop()


def test_the_package_comes_first_on_the_path():
    chosen = helper_environment({"PYTHONPATH": "/b", "HOME": "/h"}, package_folder="/a", separator=":")
    assert chosen == {"PYTHONPATH": "/a:/b"}
    assert helper_environment({}, package_folder="/a", separator=":") == {"PYTHONPATH": "/a"}
