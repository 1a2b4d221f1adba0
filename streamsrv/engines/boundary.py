"""Turns the exceptions of engines into `EngineError`."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager

from streamsrv.errors import EngineError, Unavailable

logger = logging.getLogger(__name__)


def check_probability(value: float) -> None:
    """Raise `ValueError` if a model gave something else, such as NaN."""
    if not 0 <= value <= 1:
        raise ValueError(f"{value} is not a probability")


@contextmanager
def engine_call(stage: str) -> Generator[None]:
    """Call an engine inside this block, which raises only `EngineError`, or `CancelledError` if its task is cancelled.

    An `EngineError` passes unchanged. Any other exception is a fault of the engine: it is logged with its traceback and
    becomes `Unavailable`. So are the cancellation of a future that the engine awaits, `SystemExit`, which would end the
    server, and the panic of a library in Rust, which is no `Exception`. `stage` names the engine in the log and in the
    error, such as "speech recogniser".
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
    except (GeneratorExit, KeyboardInterrupt):  # these do not come from the engine
        raise
    except BaseException as error:
        raise _failed(stage, error) from error


def _failed(stage: str, error: BaseException) -> Unavailable:
    logger.error("the %s failed", stage, exc_info=error)
    return Unavailable(f"The {stage} failed.")
