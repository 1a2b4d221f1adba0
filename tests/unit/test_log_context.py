"""Which names a line of the log carries."""

import asyncio
import logging

from streamsrv.observability.logging import LogContext, TextFormatter, log_as


def line() -> str:
    """What is logged here."""
    record = logging.LogRecord("here", logging.INFO, __file__, 1, "said", None, None)
    assert LogContext().filter(record)
    return TextFormatter().format(record).partition("here: ")[2]


async def test_names_stay_in_their_task_and_in_those_that_it_starts():
    async def child() -> str:
        return line()

    async def session(name: str) -> tuple[str, str]:
        log_as(session=name, principal="key_1")
        await asyncio.sleep(0)
        return line(), await asyncio.create_task(child())

    first, second = await asyncio.gather(session("sess_1"), session("sess_2"))
    assert first == ("[sess_1, key_1] said",) * 2
    assert second == ("[sess_2, key_1] said",) * 2
    assert line() == "said"


async def test_new_names_take_the_place_of_the_old():
    log_as(request="req_1")
    log_as(request="req_2", principal="key_2")
    assert line() == "[req_2, key_2] said"
