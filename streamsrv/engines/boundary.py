"""Turns every exception of an engine into an `EngineError`."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager

from streamsrv.errors import EngineError, Unavailable

logger = logging.getLogger(__name__)


@contextmanager
def engine_call(stage: str) -> Generator[None]:
    """Call an engine in this block: it raises `EngineError`, or the cancellation of the task that runs it.

    `EngineError` passes. Any other exception is a fault of the engine: it is logged with its traceback and becomes
    `Unavailable`, and so does the cancellation of something the engine itself waits for. `stage` names the engine in
    both, such as "speech recogniser".
    """
    try:
        yield
    except EngineError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise _failed(stage, error) from error
    except Exception as error:
        raise _failed(stage, error) from error


def _failed(stage: str, error: BaseException) -> Unavailable:
    logger.error("the %s failed", stage, exc_info=error)
    return Unavailable(f"The {stage} failed.")
