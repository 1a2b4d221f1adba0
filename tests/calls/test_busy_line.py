"""More callers than a server has room for: each one hears at once that he should call again, and none is left over."""

import asyncio

from answering import answering, called
from streamsrv.calling.call import CallReport
from streamsrv.calling.script import Manners
from streamsrv.testing.fakes import fake_engines

ROOM, CALLERS = 2, 50
STAYS = Manners(pause_ms=10_000)
"""A caller who listens until he is hung up on."""


async def test_fifty_callers_over_capacity_hear_so_and_are_hung_up():
    with answering(fake_engines(), {"greeting": "One moment please. " * 20}, max_sessions=ROOM) as server:
        async with asyncio.TaskGroup() as group:
            served = [group.create_task(called(server, "plivo", manners=STAYS)) for _ in range(ROOM)]
            while server.service.sessions < ROOM:
                await server.tasks()
            turned_away = [group.create_task(called(server, "plivo", manners=STAYS)) for _ in range(CALLERS)]
            reports: list[CallReport] = [await call for call in turned_away]
            for call in served:
                assert not call.done(), "a caller who was served lost his place"
                call.cancel()
        for report in reports:
            assert report.ended_by == "server"
            assert report.first_sound_ms is not None
            assert report.violations == []
        await server.without_sessions()
        assert not list(server.app.state.live_calls)
