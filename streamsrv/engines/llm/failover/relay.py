"""Answers one request with the models of a chain: one after the other, or side by side where one is late."""

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence

from streamsrv.engines.llm.abilities import stand_in_messages, stand_in_options
from streamsrv.engines.llm.base import (
    ChatOptions,
    Delta,
    Finished,
    Message,
    Reasoning,
    Route,
    Text,
    Tool,
    ToolCallDelta,
)
from streamsrv.engines.llm.failover.attempt import Attempt, News
from streamsrv.engines.llm.failover.members import Members, summary
from streamsrv.errors import EngineError, Rejected, Unavailable

MAX_WAITING = 16
"""Deltas that wait until they are taken; a model that is faster waits."""


class Relay:
    """One answer, see `FallbackChatModel`."""

    def __init__(
        self,
        members: Members,
        route: Route | None,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        options: ChatOptions,
    ) -> None:
        self._members = members
        self._route = route
        self._request = messages, tools, options
        self._preference = members.positions(route)
        self._preferred = self._preference[0]
        self._untried = list(self._preference)
        self._news: asyncio.Queue[News] = asyncio.Queue(MAX_WAITING)
        self._attempts: list[Attempt] = []
        self._running: list[Attempt] = []
        """Those that may still answer, in the order in which they were asked."""
        self._speaker: Attempt | None = None
        """The one whose answer is given."""
        self._named: Attempt | None = None
        self._said = ""
        self._errors: dict[int, EngineError] = {}
        self._asked_again: set[int] = set()
        self._loop = asyncio.get_running_loop()
        self._patient_until_s = math.inf
        self._timer: asyncio.TimerHandle | None = None

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """Yield the answer, each model that gives a part of it named before its part; raise if none can."""
        try:
            self._ask_next()
            while self._speaker is None or not self._speaker.is_finished:
                self._set_timer()
                news = await self._news.get()
                if news is None:
                    self._run_out_of_patience()
                    continue
                attempt, what = news
                if attempt not in self._running:
                    continue
                if isinstance(what, Reasoning) and attempt.thinks_without_end:
                    attempt.cancel()
                    what = Unavailable(f"{attempt.model.name} thinks without end.")
                if isinstance(what, EngineError):
                    self._lose(attempt, what)
                    continue
                for delta in self._take(attempt, what):
                    yield delta
                self._be_patient()
        finally:
            self._clear_timer()
            for attempt in self._attempts:
                if not attempt.is_finished:
                    attempt.cancel()
            for attempt in self._attempts:
                await attempt.ended()

    def _be_patient(self) -> None:
        """Wait from now on."""
        patience_s = self._members.patience_s(self._running[-1].position)
        self._patient_until_s = self._loop.time() + patience_s if patience_s else math.inf

    def _set_timer(self) -> None:
        """Have the time looked at when the patience runs out. One timer does for many tokens, which costs less."""
        if self._timer is None and self._untried and self._patient_until_s < math.inf:
            self._timer = self._loop.call_at(self._patient_until_s, self._look)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() < self._patient_until_s:
            self._set_timer()
        elif self._news.empty():
            self._news.put_nowait(None)

    def _run_out_of_patience(self) -> None:
        if self._untried and self._loop.time() >= self._patient_until_s:
            self._ask_next()

    def _ask_next(self) -> None:
        """Ask the next model, from the words said so far; raises the errors of all if there is none."""
        if not self._untried:
            raise summary([self._errors[position] for position in self._preference if position in self._errors])
        position = self._members.first_of(self._untried)
        self._untried.remove(position)
        said = self._said if self._said.strip() else ""
        model, trial = self._members.models[position], self._members.begin(position)
        attempt = Attempt(position, model, trial, said, self._news)
        self._attempts.append(attempt)
        self._running.append(attempt)
        messages, tools, options = self._request
        if position != self._preferred:
            messages = stand_in_messages(model.abilities, messages)
            options = stand_in_options(model.abilities, options)
        attempt.ask(messages, tools, options)
        self._clear_timer()  # another model, another patience
        self._be_patient()

    def _lose(self, attempt: Attempt, error: EngineError) -> None:
        """An attempt has failed; if no other one is running, the next model is asked."""
        self._running.remove(attempt)
        self._members.failed(attempt.position, attempt.trial, error)
        self._errors[attempt.position] = error
        if attempt.position == self._preferred and isinstance(error, Rejected) and not attempt.is_continuation:
            raise error
        if attempt is self._speaker:
            self._speaker = None
            if attempt.position not in self._asked_again:  # what broke off once may work the next time
                self._asked_again.add(attempt.position)
                self._untried.append(attempt.position)
        if not self._running:
            self._ask_next()

    def _take(self, attempt: Attempt, delta: Delta) -> list[Delta]:
        """Take a delta; return what is given of it."""
        has_begun = attempt.add(delta)
        if attempt is not self._speaker:
            if not has_begun:
                leads = self._speaker is None and attempt is self._running[0]
                return [*self._name(attempt), delta] if leads and isinstance(delta, Reasoning) else []
            self._speaker = attempt
            self._members.answers(attempt.position, self._preferred, attempt.trial)
        self._drop_others(attempt)
        given = attempt.take()
        self._said += "".join(delta.text for delta in given if isinstance(delta, Text))
        if isinstance(delta, Finished):
            self._members.has_answered(attempt.position)
            given.append(delta)
        elif isinstance(delta, Reasoning | ToolCallDelta):
            given.append(delta if isinstance(delta, Reasoning) else Reasoning(""))  # kept, but it shows life
        return [*self._name(attempt), *given] if given else []

    def _drop_others(self, speaker: Attempt) -> None:
        """Cancel the others; those that were asked before the one that answers were late."""
        if len(self._running) == 1:
            return
        for attempt in self._running[: self._running.index(speaker)]:
            self._members.late(attempt.position, attempt.trial)
        for attempt in self._running:
            if attempt is not speaker:
                attempt.cancel()
        self._running = [speaker]

    def _name(self, attempt: Attempt) -> list[Delta]:
        if attempt is self._named:
            return []
        self._named = attempt
        return [self._members.answered_by(attempt.position, self._preferred, self._route)]
