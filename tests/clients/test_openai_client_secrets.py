"""API keys and client secrets of Realtime sessions, with the stock `openai` package."""

from typing import Any, cast

import pytest
from openai import AsyncOpenAI
from openai.types.realtime.realtime_session_create_response import RealtimeSessionCreateResponse
from openai.types.realtime.realtime_transcription_session_create_response import (
    RealtimeTranscriptionSessionCreateResponse,
)
from websockets.exceptions import InvalidStatus

from serving import RunningServer, serving
from streamsrv.testing.fakes import fake_engines


async def test_a_wrong_key_is_refused_before_the_session() -> None:
    with serving(fake_engines(), api_keys="right") as server:
        url = server.http_url.replace("http", "ws")
        async with AsyncOpenAI(websocket_base_url=url, api_key="wrong") as client:
            with pytest.raises(InvalidStatus, match="401"):
                await client.realtime.connect(model="gpt-realtime").enter()
        async with (
            AsyncOpenAI(websocket_base_url=url, api_key="right") as client,
            client.realtime.connect(model="gpt-realtime") as connection,
        ):
            assert (await connection.recv()).type == "session.created"


async def test_a_client_secret_opens_its_session(server: RunningServer) -> None:
    application = AsyncOpenAI(base_url=server.http_url, api_key="any")
    session: Any = {"type": "realtime", "instructions": "Be brief.", "output_modalities": ["text"]}
    made = await application.realtime.client_secrets.create(
        session=session, expires_after={"anchor": "created_at", "seconds": 60}
    )
    assert isinstance(made.session, RealtimeSessionCreateResponse)
    assert made.session.instructions == "Be brief."
    browser = AsyncOpenAI(base_url=server.http_url, api_key=made.value)
    async with browser.realtime.connect() as connection:
        created = cast("Any", await connection.recv())
    assert (created.type, created.session.id) == ("session.created", made.session.id)
    assert created.session.output_modalities == ["text"]


async def test_a_client_secret_may_be_for_a_transcription_session(server: RunningServer) -> None:
    application = AsyncOpenAI(base_url=server.http_url, api_key="any")
    made = await application.realtime.client_secrets.create(session={"type": "transcription"})
    assert isinstance(made.session, RealtimeTranscriptionSessionCreateResponse)
    browser = AsyncOpenAI(base_url=server.http_url, api_key=made.value)
    async with browser.realtime.connect() as connection:
        created = cast("Any", await connection.recv())
    assert created.session.type == "transcription"


async def test_a_used_client_secret_is_refused_with_a_reason(server: RunningServer) -> None:
    application = AsyncOpenAI(base_url=server.http_url, api_key="any")
    made = await application.realtime.client_secrets.create()
    browser = AsyncOpenAI(base_url=server.http_url, api_key=made.value)
    async with browser.realtime.connect():
        pass
    with pytest.raises(InvalidStatus) as refused:
        async with browser.realtime.connect():
            pass
    assert refused.value.response.status_code == 401
    assert "used before" in (refused.value.response.body or b"").decode()
