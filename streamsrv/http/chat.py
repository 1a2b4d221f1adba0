"""`POST /v1/chat/completions`: answers with the language models that sessions use."""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamsrv.engines.llm.base import Delta
from streamsrv.engines.metering.accounts import SpendingAccount
from streamsrv.http.chat_objects import ChunkWriter, Completion, CompletionHead
from streamsrv.http.chat_request import ChatRequest
from streamsrv.http.endpoint import Endpoint
from streamsrv.http.request_body import read_json
from streamsrv.http.streaming import server_sent, streamed
from streamsrv.service import Service
from streamsrv.settings import Settings


@asynccontextmanager
async def _read(request: Request, settings: Settings) -> AsyncGenerator[ChatRequest]:
    asked = await read_json(request, ChatRequest)
    asked.check()
    yield asked


async def _answer(asked: ChatRequest, service: Service, account: SpendingAccount) -> Response:
    model = service.chat_model(asked.model)
    service.capabilities.check_routing(asked.routing, model.name, "streamsrv.routing")
    head = CompletionHead(f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), model.name)
    deltas = model.stream(asked.to_messages(), asked.to_tools(), replace(asked.to_options(), account=account))
    if asked.stream:
        writer = ChunkWriter(
            head, account.cost, include_usage=bool(asked.stream_options and asked.stream_options.include_usage)
        )
        return await streamed(server_sent(_chunks(deltas, writer), end=b"data: [DONE]\n\n"), "text/event-stream")
    completion = Completion(head, account.cost)
    async with aclosing(deltas):
        async for delta in deltas:
            completion.take(delta)
    return JSONResponse(completion.to_wire())


async def _chunks(deltas: AsyncGenerator[Delta, None], writer: ChunkWriter) -> AsyncGenerator[dict[str, Any], None]:
    async with aclosing(deltas):
        async for delta in deltas:
            for chunk in writer.write(delta):
                yield chunk


completions = Endpoint(_read, _answer, is_charged=True)
