"""Latencies and counts, as the client and an operator see them."""

import asyncio
from http.client import HTTPConnection

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from serving import serving
from streamsrv.inference.scheduler import Priority
from streamsrv.processes.usage import USAGES
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import quiet, tone, wire


def scrape(port: int) -> dict[str, float]:
    """Samples of /metrics by name and labels."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return {name: float(value) for line in lines if line[0] != "#" for name, value in [line.rsplit(" ", 1)]}


async def test_a_spoken_turn_is_measured_for_the_client_and_for_the_operator():
    with serving(fake_engines(ScriptedChatModel("Good day."))) as server:
        async with wire(server.realtime_url) as client:
            await client.append(tone(1000) + quiet(1000))
            latency = (await client.until("response.done"))["response"]["streamsrv"]["latency"]
            assert set(latency) == {
                "turn_ended_ms", "transcript_ms", "first_token_ms", "first_segment_ms", "first_audio_ms",
            }  # fmt: skip
            during = await asyncio.to_thread(scrape, server.port)
        assert during["streamsrv_sessions"] == 1
        assert during['streamsrv_turn_stage_seconds_count{stage="first_audio"}'] == 1
        await server.without_sessions()
        assert (await asyncio.to_thread(scrape, server.port))["streamsrv_sessions"] == 0


async def test_a_typed_turn_has_no_latency_after_speech():
    with serving(fake_engines(ScriptedChatModel("Good day."))) as server:
        async with wire(server.realtime_url) as client:
            await client.send("response.create")
            done = await client.until("response.done")
            assert done["response"]["streamsrv"].keys() == {"model", "cost"}


async def test_what_helper_processes_compute_counts_as_load():
    usage = USAGES.begin("a-model")
    try:
        with serving(fake_engines()) as server:
            async with asyncio.timeout(20):
                while server.service.load.busy < 1:  # more than this process can do
                    usage.cpu_s += 1000
                    await server.tasks()
    finally:
        USAGES.end(usage, died=False)


async def test_a_busy_server_refuses_sessions_and_says_how_busy_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamsrv.service._cores", lambda: 1)  # more cores always let more sessions in
    with serving(fake_engines(), admit_by_load=True) as server:
        async with wire(server.realtime_url):
            server.service.load.observe(60, sessions=1, cpu_s=600, model_s=0, lag_s=0, queue_age_s=2)
            with pytest.raises(InvalidStatus) as refused:
                async with connect(server.realtime_url):
                    pass
    response = refused.value.response
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert b"session_limit_reached" in response.body
    assert b"busy with 1 sessions" in response.body


async def test_queues_are_measured():
    with serving(fake_engines(ScriptedChatModel("Good day."))) as server:
        await server.run(Priority.FINAL)
        samples = await asyncio.to_thread(scrape, server.port)
    assert samples['streamsrv_queue_wait_seconds_count{priority="final"}'] == 1
    assert "streamsrv_queue_age_seconds" in samples


async def test_refused_sessions_are_counted():
    with serving(fake_engines(), max_sessions=1) as server:
        async with wire(server.realtime_url):
            with pytest.raises(InvalidStatus):
                async with connect(server.realtime_url):
                    pass
        assert (await asyncio.to_thread(scrape, server.port))["streamsrv_sessions_refused_total"] == 1
