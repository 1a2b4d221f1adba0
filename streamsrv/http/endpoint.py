"""An endpoint for requests that take time: bounds their number, and cancels them when the client disconnects."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Generic, TypeVar

from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streamsrv.access.principal import Principal
from streamsrv.engines.metering.accounts import SpendingAccount
from streamsrv.http.errors import describe
from streamsrv.ids import new_id
from streamsrv.service import Service
from streamsrv.settings import Settings

Asked = TypeVar("Asked")


class Endpoint(Generic[Asked]):
    """An ASGI application of two steps.

    `read` is a context manager that reads and checks the whole request and holds its files until the end; `answer` does
    the work, which is charged to an account, and returns the response. Only `answer` takes one of the places for
    requests, so that a slow body does not make others wait. During `answer` and the response, everything is cancelled
    when the client disconnects. Either step may raise `ProtocolError` or `EngineError`. `is_charged`: the request
    counts against the key's rate of responses.
    """

    def __init__(
        self,
        read: Callable[[Request, Settings], AbstractAsyncContextManager[Asked]],
        answer: Callable[[Asked, Service, SpendingAccount], Awaitable[Response]],
        *,
        is_charged: bool = False,
    ) -> None:
        self._read = read
        self._answer = answer
        self._is_charged = is_charged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        service: Service = scope["app"].state.service
        principal: Principal = HTTPConnection(scope).state.principal
        service.admission.check_request(principal)  # refuse before the client sends a large body
        async with AsyncExitStack() as held:
            try:
                asked = await held.enter_async_context(self._read(Request(scope, receive), service.settings))
                held.enter_context(service.admission.take_request(principal))
            except ClientDisconnect:
                return
            except Exception as error:
                await describe(error)(scope, receive, send)
                return

            async def respond() -> None:
                try:
                    if self._is_charged:
                        service.charge(principal)
                    account = service.account(principal, new_id("req"))
                    account.check()
                    response = await self._answer(asked, service, account)
                except Exception as error:
                    response = describe(error)
                await response(scope, receive, send)

            await _while_connected(receive, respond())


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end, or until the client disconnects."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        watch = group.create_task(_watch(receive, task))
        task.add_done_callback(lambda _: watch.cancel())


async def _watch(receive: Receive, task: "asyncio.Task[None]") -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()
