"""Sessions that end by themselves, over a real connection."""

import time

import pytest
from websockets.exceptions import ConnectionClosed

from serving import serving
from streamsrv.testing.fakes import fake_engines
from wire import wire

ASKED = "?streamsrv=session.expiring"


async def test_a_session_is_warned_of_its_end_and_closed_on_time():
    with serving(fake_engines(), max_session_minutes=0.05) as server:
        opened_s = time.time()
        async with wire(f"{server.realtime_url}{ASKED}") as client:
            expires_at = client.received[0]["session"]["expires_at"]
            assert opened_s + 2 <= expires_at <= time.time() + 3
            told = await client.until("streamsrv.session.expiring")
            assert (told["seconds_left"], told["expires_at"]) == (1, expires_at)
            assert (await client.error())["code"] == "session_expired"
            with pytest.raises(ConnectionClosed) as closed:
                await client.next()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "session_expired")


async def test_a_session_without_an_end_has_no_expires_at():
    with serving(fake_engines(), max_session_minutes=0) as server:
        async with wire(server.realtime_url) as client:
            assert "expires_at" not in client.received[0]["session"]
            await client.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
            assert "expires_at" not in (await client.until("session.updated"))["session"]


async def test_a_transcription_session_has_a_limit_of_its_own():
    with serving(fake_engines(), max_session_minutes=0.05) as server:
        async with wire(f"{server.realtime_url}?intent=transcription") as client:
            assert "expires_at" not in client.received[0]["session"]
    with serving(fake_engines(), max_transcription_minutes=60) as server:
        async with wire(f"{server.realtime_url}?intent=transcription") as client:
            assert client.received[0]["session"]["expires_at"] >= time.time() + 3590
