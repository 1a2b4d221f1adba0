"""One request to one model while an answer is looked for."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

from streamsrv.engines.boundary import engine_call
from streamsrv.engines.breaker import Trial
from streamsrv.engines.llm.base import (
    ChatModel,
    ChatOptions,
    Delta,
    Finished,
    Message,
    Text,
    Tool,
    ToolCallDelta,
    Truncated,
    Usage,
)
from streamsrv.engines.llm.failover.continuation import Joint, shortened, to_continue
from streamsrv.errors import EngineError, Unavailable

MAX_THINKING_S = 120.0
"""Seconds for which a model may think without a word or a call; then it counts as failed."""
END_S = 1.0
"""Seconds that a stream gets to end after its last delta."""

News = tuple["Attempt", Delta | EngineError] | None
"""What came of an attempt: a delta, or the error that ended it. None: nothing came for a long time."""


class Attempt:
    """Asks a model in a task of its own, and puts what comes of it into `news`.

    `said`: what other models have already said of the answer, which this one goes on from. Its words are kept until
    `take` is called for them, and its function calls until it has finished: then a model that breaks off in the middle
    of a call has called nothing.
    """

    def __init__(self, position: int, model: ChatModel, trial: Trial, said: str, news: "asyncio.Queue[News]") -> None:
        self.position = position
        self.model = model
        self.trial = trial
        self.is_continuation = bool(said)
        self.is_finished = False
        self._said = said
        self._joint = Joint(said)
        self._news = news
        self._text = ""
        self._notes: list[Truncated | Usage] = []
        self._calls: list[ToolCallDelta] = []
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._silent_since_s = self._loop.time()

    @property
    def thinks_without_end(self) -> bool:
        """Whether it has thought for too long since it was asked, or since its last word or call."""
        return self._loop.time() - self._silent_since_s > MAX_THINKING_S

    def ask(self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions) -> None:
        """Begin the request."""
        if self._said:
            messages, options = to_continue(messages, self._said), shortened(options, self._said)
        self._task = asyncio.create_task(self._run(messages, tools, options))

    def add(self, delta: Delta) -> bool:
        """Keep a delta; return whether the model has begun to answer: by words, a call, or an end."""
        if isinstance(delta, Text | ToolCallDelta):
            self._silent_since_s = self._loop.time()
        match delta:
            case Text():
                self._text += self._joint.feed(delta.text)
            case ToolCallDelta():
                self._calls.append(delta)
            case Truncated() | Usage():
                self._notes.append(delta)
            case Finished():
                self.is_finished = True
                self._text += self._joint.close()
            case _:
                pass
        return bool(self._text.strip() or self._calls or self.is_finished)

    def take(self) -> list[Delta]:
        """Return what may be told of what was kept, once."""
        text, self._text = self._text, ""
        notes, self._notes = self._notes, []
        return [*([Text(text)] if text else []), *(self._calls if self.is_finished else []), *notes]

    def cancel(self) -> None:
        """Stop the request, if it has not ended."""
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        """Wait until the request has ended, which one that has given its last delta does by itself."""
        if self._task is None:
            return
        if self.is_finished:
            await asyncio.wait({self._task}, timeout=END_S)
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions) -> None:
        is_finished = False
        try:
            with engine_call(f"language model {self.model.name}"):
                async with aclosing(self.model.stream(messages, tools, options)) as deltas:
                    async for delta in deltas:
                        is_finished = is_finished or isinstance(delta, Finished)
                        await self._news.put((self, delta))
            if not is_finished:
                raise Unavailable(f"{self.model.name} broke off its answer.")
        except EngineError as error:
            if not is_finished:
                await self._news.put((self, error))
        finally:
            self.trial.end()
