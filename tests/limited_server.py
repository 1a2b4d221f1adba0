"""The real server with fake engines in a process of its own, whose file descriptors can be made to run out.

Prints its port. Each line `<n>` that it reads limits it to `n` more descriptors than it has then; it answers with `ok`.
"""

import asyncio
import resource
import sys
from pathlib import Path

import uvloop

from streamsrv.app import build_app
from streamsrv.server import Server, bind
from streamsrv.settings import Settings
from streamsrv.testing.fakes import fake_engines


def limit(more: int) -> None:
    numbers = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    used, highest = len(numbers) - 1, max(numbers)
    assert highest < used + 5, "descriptors are numbered without large gaps"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + more, hard))


def obey() -> None:
    line = sys.stdin.readline()
    if not line:  # the test has ended
        asyncio.get_running_loop().remove_reader(sys.stdin)
        return
    limit(int(line))
    print("ok", flush=True)


async def main() -> None:
    listener = bind("127.0.0.1", 0)
    settings = Settings(admit_by_load=False, webrtc_hosts="127.0.0.1", webrtc_processes=1)
    asyncio.get_running_loop().add_reader(sys.stdin, obey)
    server = Server(build_app(settings, fake_engines()), lambda: print(listener.getsockname()[1], flush=True))
    await server.serve(sockets=[listener])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
