"""The recognisers that are loaded on demand: one at a time, within a bound on their memory."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any

from rich.filesize import decimal

from streamsrv.engines.asr.base import Abilities, Recognizer
from streamsrv.engines.asr.on_demand import OnDemandRecognizer
from streamsrv.engines.boundary import engine_call
from streamsrv.errors import EngineError, Overloaded, Unavailable

logger = logging.getLogger(__name__)

RETRY_S = 10.0
"""Seconds after a failure before a model is loaded again."""


@dataclass(slots=True, eq=False)
class _Member:
    """One recogniser of the pool."""

    recognizer: OnDemandRecognizer
    memory: int
    """About how many bytes it takes."""
    load: Callable[[], Awaitable[Recognizer]]
    released_s: float = 0.0
    failed_s: float | None = None
    error: EngineError | None = None
    is_retired: bool = False
    """Whether it leaves memory as soon as nobody holds it."""


class RecognizerPool:
    """Loads recognisers that are wanted, and frees idle ones when others need their memory, the longest idle first.

    `memory` (bytes) bounds the sum of what the loaded ones take by the estimates of the catalogue. All methods are
    called on the event loop.
    """

    def __init__(self, memory: int = 0) -> None:
        self.memory = memory
        self._members: dict[Hashable, _Member] = {}
        self._loaded: list[_Member] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()

    def recognizer(
        self, key: Hashable, name: str, stated: Abilities, memory: int, load: Callable[[], Awaitable[Recognizer]]
    ) -> OnDemandRecognizer:
        """Return the recogniser of this key, the same one each time. `load` loads the model, which the pool closes."""
        if key not in self._members:
            recognizer = OnDemandRecognizer(name, stated, lambda: self._begin(member), lambda: self._release(member))
            member = self._members[key] = _Member(recognizer, memory, load)
        return self._members[key].recognizer

    def keep(self, keys: Collection[Hashable]) -> None:
        """Forget the recognisers of other keys; loaded ones leave memory when nobody holds them."""
        for key in [key for key in self._members if key not in keys]:
            member = self._members.pop(key)
            member.is_retired = True
            self._free_if_retired(member)

    async def aclose(self) -> None:
        """Free all models. Call it when nobody uses them."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._members.clear()
        for member in list(self._loaded):
            await self._free(member)

    def _begin(self, member: _Member) -> None:
        now_s = asyncio.get_running_loop().time()
        if member.failed_s is not None and now_s < member.failed_s + RETRY_S:
            member.recognizer.settle(None, member.error)
        else:
            self._spawn(self._load(member), f"loading-{member.recognizer.name}")

    async def _load(self, member: _Member) -> None:
        recognizer, model, error = member.recognizer, None, None
        try:
            async with self._one_at_a_time:
                if recognizer.holds:  # else those who wanted it have left
                    await self._make_room(member)
                    model = await self._loaded_model(member)
                    self._loaded.append(member)
        except EngineError as failure:
            error = failure
        finally:
            recognizer.settle(model, error)
            self._free_if_retired(member)

    async def _loaded_model(self, member: _Member) -> Recognizer:
        name = member.recognizer.name
        logger.info("loading the speech recogniser %s", name)
        try:
            with engine_call(f"speech recogniser {name}"):
                model = await member.load()
        except EngineError as failure:  # it may name files, which are not for clients
            logger.error("the speech recogniser %s could not be loaded: %s", name, failure)
            member.failed_s = asyncio.get_running_loop().time()
            member.error = Unavailable(f"The speech recogniser {name} could not be loaded; the server's log says why.")
            raise member.error from failure
        logger.info("the speech recogniser %s is loaded", name)
        member.failed_s = member.error = None
        return model

    async def _make_room(self, member: _Member) -> None:
        """Free idle models until this one fits; raises `Overloaded`."""
        while sum(other.memory for other in self._loaded) + member.memory > self.memory:
            idle = [other for other in self._loaded if not other.recognizer.holds]
            if not idle:
                raise Overloaded(
                    f"The speech recogniser {member.recognizer.name} takes about {decimal(member.memory)} of memory, "
                    "and those in use leave less: choose one of them, or try again later."
                )
            await self._free(min(idle, key=lambda other: other.released_s))

    async def _free(self, member: _Member) -> None:
        """Take a model out of memory, if it is there."""
        model = member.recognizer.model
        if member not in self._loaded or model is None:
            return
        self._loaded.remove(member)
        member.recognizer.settle(None)
        try:
            with engine_call(f"speech recogniser {member.recognizer.name}"):
                await model.aclose()
        except EngineError as error:
            logger.warning("the speech recogniser %s could not be closed: %s", member.recognizer.name, error)
        logger.info("the speech recogniser %s has left memory", member.recognizer.name)

    async def _free_retired(self, member: _Member) -> None:
        if not member.recognizer.holds:  # else a session that began before took it again
            await self._free(member)

    def _release(self, member: _Member) -> None:
        member.released_s = asyncio.get_running_loop().time()
        self._free_if_retired(member)

    def _free_if_retired(self, member: _Member) -> None:
        if member.is_retired and not member.recognizer.holds and member in self._loaded:
            self._spawn(self._free_retired(member), f"freeing-{member.recognizer.name}")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
