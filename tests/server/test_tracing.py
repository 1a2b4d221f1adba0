"""Traces of sessions, as an OTLP collector gets them and as the SDK has them."""

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from websockets.asyncio.client import connect

from serving import RunningServer, serving
from streamsrv.access.principal import LOOPBACK
from streamsrv.app import build_app
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.errors import Unavailable
from streamsrv.settings import Settings
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from wire import Wire, quiet, tone, wire

sdk_trace = pytest.importorskip("opentelemetry.sdk.trace", reason="the extra otel is not installed")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: E402
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402

from streamsrv.observability.tracing import Tracing  # noqa: E402

HEARD, ANSWERED = "heardwords", "Answeredwords."


class Collector:
    """An OTLP collector over HTTP, which keeps what it gets."""

    def __init__(self) -> None:
        collector = self
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[str | None] = []
        self.paths: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                collector.headers.append(self.headers.get("x-key"))
                collector.paths.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *_: Any) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


class Spans:
    """The spans that a server has made."""

    def __init__(self, *, with_words: bool) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider, with_words=with_words)

    @property
    def all(self) -> list[Any]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[Any]:
        return [span for span in self.all if span.name == name or span.name.startswith(f"{name} ")]

    def one(self, name: str) -> Any:
        [span] = self.named(name)
        return span


@asynccontextmanager
async def traced(
    engines: Any = None, *, with_words: bool = False, query: str = ""
) -> AsyncGenerator[tuple[Wire, Spans, RunningServer]]:
    """A session of a server whose spans are kept; they are complete after the block."""
    spans = Spans(with_words=with_words)
    engines = engines or fake_engines(ScriptedChatModel(ANSWERED), HEARD)
    with serving(engines, tracing=spans.tracing) as server:
        async with wire(f"{server.realtime_url}{query}") as client:
            yield client, spans, server
        await server.without_sessions()


def parent(span: Any) -> int | None:
    return span.parent.span_id if span.parent else None


def span_id(span: Any) -> int:
    return span.context.span_id


async def test_a_spoken_turn_has_a_span_for_each_stage():
    async with traced() as (client, spans, _):
        session_id = client.received[0]["session"]["id"]
        await client.append(tone(1000) + quiet(1000))
        await client.until("response.done")
    session, turn = spans.one("session"), spans.one("turn")
    assert parent(session) is None
    assert parent(turn) == span_id(session)
    stages = {span.name: span for span in spans.all if parent(span) == span_id(turn)}
    assert set(stages) == {
        "speech", "end_of_turn", "recognize scripted-recognizer", "chat scripted-model", "synthesize tone", "playback",
    }  # fmt: skip
    assert all(span.start_time <= span.end_time for span in spans.all)
    assert stages["speech"].end_time == stages["end_of_turn"].start_time
    assert turn.end_time >= stages["playback"].end_time
    assert session.attributes["session.id"] == turn.attributes["session.id"] == session_id
    assert session.attributes["streamsrv.transport"] == "websocket"
    assert session.attributes["streamsrv.end_reason"] == "client_left"
    assert turn.attributes["streamsrv.response.status"] == "completed"
    chat = stages["chat scripted-model"]
    told = {
        "gen_ai.operation.name": "chat", "gen_ai.request.model": "scripted-model", "gen_ai.output.type": "speech",
        "gen_ai.response.model": "scripted-model", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 1,
        "gen_ai.response.finish_reasons": ("stop",), "gen_ai.conversation.id": session_id,
    }  # fmt: skip
    assert told.items() <= dict(chat.attributes).items()
    assert chat.attributes["gen_ai.response.time_to_first_chunk"] >= 0
    assert [event.name for event in chat.events] == ["first_token"]
    assert [event.name for event in stages["synthesize tone"].events] == ["first_audio"]


@pytest.mark.parametrize("with_words", [False, True])
async def test_spans_have_words_only_where_the_setting_says_so(with_words: bool):
    async with traced(with_words=with_words) as (client, spans, _):
        await client.append(tone(1000) + quiet(1000))
        await client.until("response.done")
    told = " ".join(span.to_json() for span in spans.all)
    assert (HEARD in told, ANSWERED in told) == (with_words, with_words)
    if with_words:
        chat = spans.one("chat")
        assert json.loads(chat.attributes["gen_ai.output.messages"]) == [
            {"role": "assistant", "parts": [{"type": "text", "content": ANSWERED}]}
        ]
        assert HEARD in chat.attributes["gen_ai.input.messages"]
        assert spans.one("recognize").attributes["streamsrv.transcript"] == HEARD


async def test_an_interruption_belongs_to_the_turn_that_it_interrupts():
    chat = ScriptedChatModel("A long answer that goes on.")
    chat.hold = asyncio.Event()
    async with traced(fake_engines(chat, HEARD)) as (client, spans, _):
        await client.append(tone(1000) + quiet(1000))
        await client.until("response.created")
        await client.append(tone(1000))
        assert (await client.until("response.done"))["response"]["status"] == "cancelled"
    first, second = sorted(spans.named("turn"), key=lambda span: span.start_time)
    interruption = spans.one("interruption")
    assert parent(interruption) == span_id(first)
    assert interruption.links[0].context.span_id == span_id(second)
    assert first.attributes["streamsrv.interrupted"] is True
    assert first.attributes["streamsrv.response.status"] == "cancelled"


async def test_a_failure_and_a_substitute_are_marked():
    failing = ScriptedChatModel(Unavailable("The provider said: secretwords"))
    async with traced(fake_engines(failing, HEARD)) as (client, spans, _):
        await client.send("response.create")
        await client.until("response.done")
    chat = spans.one("chat")
    assert (chat.status.status_code.name, chat.attributes["error.type"]) == ("ERROR", "unavailable")
    assert "secretwords" not in " ".join(span.to_json() for span in spans.all)
    assert spans.one("turn").attributes["streamsrv.spoken"] is False
    models = [ScriptedChatModel(Unavailable("down"), name="provider"), ScriptedChatModel(name="other")]
    async with traced(fake_engines(FallbackChatModel(models))) as (client, spans, _):
        await client.send("response.create")
        await client.until("response.done")
    told = spans.one("chat").attributes
    assert (told["gen_ai.request.model"], told["gen_ai.response.model"]) == ("provider", "other")
    assert told["streamsrv.fallback_from"] == "provider"


TRACING = {"workflow_name": "Front door", "group_id": "house", "metadata": {"room": "hall", "floor": 2, "of": [1]}}


async def test_a_client_describes_its_trace_once():
    async with traced() as (client, spans, _):
        assert client.received[0]["session"]["tracing"] is None
        await client.send("session.update", session={"type": "realtime", "tracing": TRACING})
        assert (await client.until("session.updated"))["session"]["tracing"] == TRACING
        await client.send("session.update", session={"type": "realtime", "tracing": TRACING, "instructions": "Hi."})
        assert (await client.until("session.updated"))["session"]["tracing"] == TRACING
        for other in ("auto", None, {"workflow_name": "Other"}):
            await client.send("session.update", session={"type": "realtime", "tracing": other})
            error = await client.error()
            assert (error["code"], error["param"]) == ("invalid_value", "session.tracing")
            assert "cannot be modified" in error["message"]
        await client.send("response.create")
        await client.until("response.done")
    for span in (spans.one("session"), spans.one("turn")):
        told = {
            "gen_ai.workflow.name": "Front door", "streamsrv.group_id": "house", "streamsrv.metadata.room": "hall",
            "streamsrv.metadata.floor": 2, "streamsrv.metadata.of": "[1]",
        }  # fmt: skip
        assert told.items() <= dict(span.attributes).items()


async def test_a_secret_describes_the_trace_of_its_session():
    async with traced() as (client, _, server):
        await client.send("session.update", session={"type": "realtime", "tracing": "auto"})
        assert (await client.until("session.updated"))["session"]["tracing"] == "auto"
        session = server.service.opening.new(LOOPBACK, {"tracing": TRACING})
        assert session.tracing.workflow_name == "Front door"  # type: ignore[union-attr]


async def test_the_collector_of_the_environment_gets_the_traces(collector: Collector, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=abc")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "voice")
    with serving(fake_engines(ScriptedChatModel(ANSWERED), HEARD), tracing=True) as server:
        async with wire(server.realtime_url) as client:
            await client.append(tone(1000) + quiet(1000))
            await client.until("response.done")
        await server.without_sessions()
    spans = [
        span
        for request in collector.requests
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert {"session", "turn", "speech", "chat scripted-model"} <= {span.name for span in spans}
    assert len({span.trace_id for span in spans}) == 1
    assert set(collector.headers) == {"abc"}
    assert set(collector.paths) == {"/v1/traces"}
    resource = {a.key: a.value.string_value for a in collector.requests[0].resource_spans[0].resource.attributes}
    assert resource["service.name"] == "voice"
    assert resource["service.version"]
    told = b"".join(request.SerializeToString() for request in collector.requests)
    assert HEARD.encode() not in told
    assert ANSWERED.encode() not in told


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_TRACES_EXPORTER", "console"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]
)
def test_what_is_not_supported_is_refused(variable: str, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, value)
    with pytest.raises(Unavailable, match=f"{variable} is '{value}'; accepted is"):
        build_app(Settings(tracing=True), fake_engines())


async def test_a_collector_that_is_down_does_not_hold_up_anything(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("streamsrv.observability.tracing.FLUSH_S", 0.1)
    with serving(fake_engines(), tracing=True) as server:
        async with connect(server.realtime_url):
            pass
        await server.without_sessions()
