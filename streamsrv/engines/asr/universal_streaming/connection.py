"""One WebSocket connection to AssemblyAI's streaming API, whose errors are `ConnectionOver`."""

import asyncio
from contextlib import suppress
from typing import Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

from streamsrv.engines.asr.universal_streaming.exchange import ConnectionOver
from streamsrv.engines.asr.universal_streaming.protocol import (
    MAX_MESSAGE_BYTES,
    TERMINATE,
    Begin,
    Cause,
    ErrorMessage,
    GarbageError,
    Problem,
    Termination,
    problem_of,
    read_message,
)
from streamsrv.engines.provider_socket import open_socket

API_VERSION = "2025-05-12"
CONNECT_S = 4.0
"""Longest wait for the connection and its first message."""
_TERMINATE_S = 2.0
_SEND_S = 5.0
_OUR_CLOSE_CODES = (1002, 1007, 1009)
"""Codes with which we close a connection on which something else than this protocol is spoken."""


class StreamingConnection:
    """An open connection that has got its `Begin`. Every method raises `ConnectionOver` when it is lost."""

    def __init__(self, socket: ClientConnection, api_key: str, began_s: float) -> None:
        self._socket = socket
        self._api_key = api_key
        self._began_s = began_s
        self._terminating = False

    @classmethod
    async def open(cls, url: str, api_key: str) -> Self:
        """Connect to `url`, with its query."""
        headers = {"AssemblyAI-Version": API_VERSION, **({"Authorization": api_key} if api_key else {})}
        try:
            async with asyncio.timeout(CONNECT_S):
                socket = await open_socket(url, headers, max_bytes=MAX_MESSAGE_BYTES)
        except TimeoutError as error:
            raise ConnectionOver(Problem(Cause.LOST, "does not answer")) from error
        except (OSError, InvalidHandshake, WebSocketException) as error:
            raise ConnectionOver(_without_key(_handshake_problem(error), api_key)) from error
        connection = cls(socket, api_key, asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(CONNECT_S):
                await connection._begin()
        except TimeoutError as error:
            await connection.close()
            raise ConnectionOver(Problem(Cause.LOST, "does not begin the session")) from error
        except BaseException:
            await connection.close()
            raise
        return connection

    @property
    def seconds(self) -> float:
        """How long it has been open, which is what the provider charges for."""
        return asyncio.get_running_loop().time() - self._began_s

    async def receive(self) -> str | bytes:
        """Return the next message."""
        try:
            return await self._socket.recv()
        except ConnectionClosed as error:
            raise ConnectionOver(self.safe(_closed_problem(error))) from error

    async def send(self, message: str | bytes) -> None:
        """Send a message."""
        self._terminating = self._terminating or message == TERMINATE
        try:
            async with asyncio.timeout(_SEND_S):
                await self._socket.send(message)
        except TimeoutError as error:
            raise ConnectionOver(Problem(Cause.LOST, "does not read what is sent")) from error
        except ConnectionClosed as error:
            raise ConnectionOver(self.safe(_closed_problem(error))) from error

    async def terminate(self) -> None:
        """End the session as the provider wants it, because it charges until then; raises nothing."""
        with suppress(ConnectionOver, TimeoutError, GarbageError):
            async with asyncio.timeout(_TERMINATE_S):
                if not self._terminating:
                    await self.send(TERMINATE)
                while not isinstance(read_message(await self.receive()), Termination):
                    pass
        await self.close()

    async def close(self) -> None:
        """Close the socket; raises nothing."""
        with suppress(WebSocketException, OSError):
            await self._socket.close()

    def safe(self, problem: Problem) -> Problem:
        """Return the problem without the key, which a provider may repeat."""
        return _without_key(problem, self._api_key)

    async def _begin(self) -> None:
        while True:
            try:
                message = read_message(await self.receive())
            except GarbageError as error:
                raise ConnectionOver(Problem(Cause.GARBAGE, f"sent {error}")) from error
            match message:
                case Begin():
                    return
                case ErrorMessage():
                    raise ConnectionOver(self.safe(problem_of(message.error_code, message.error)))
                case _:
                    pass


def _handshake_problem(error: Exception) -> Problem:
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        return problem_of(status, f"refused the connection with HTTP status {status}")
    if isinstance(error, OSError):
        return Problem(Cause.LOST, "cannot be reached")
    return Problem(Cause.LOST, "is no streaming server")


def _closed_problem(error: ConnectionClosed) -> Problem:
    if error.rcvd is not None:
        return problem_of(error.rcvd.code, error.rcvd.reason)
    if error.sent is not None and error.sent.code in _OUR_CLOSE_CODES:
        return Problem(Cause.GARBAGE, f"sent what cannot be read: {error.sent.reason or error.sent.code}")
    return Problem(Cause.LOST, "broke the connection")


def _without_key(problem: Problem, api_key: str) -> Problem:
    return Problem(problem.cause, problem.message.replace(api_key, "***")) if api_key else problem
