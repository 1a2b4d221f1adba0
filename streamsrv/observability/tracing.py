# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# The packages of the extra `otel` are optional.
"""OpenTelemetry traces: one for each session, with a span for each turn and each stage of its answer.

The exporter is configured by the standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT` and others). Nothing is imported or
sent unless an operator turns tracing on.
"""

import asyncio
import os
import threading
from importlib.metadata import version
from typing import Any

from streamsrv.errors import Unavailable
from streamsrv.observability.session_trace import SessionTrace

FLUSH_S = 5.0
"""Seconds that the last spans may take to be exported when the server stops."""
EXTRA = "pip install 'streamsrv[otel]'"


class Tracing:
    """Makes the traces of a server's sessions with a `TracerProvider` of OpenTelemetry.

    `with_words`: what is said and answered becomes part of the spans.
    """

    def __init__(self, provider: Any, *, with_words: bool) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("streamsrv", version("streamsrv"))
        self._with_words = with_words

    def session(self, session_id: str, transport: str) -> SessionTrace:
        """Begin the trace of a session."""
        return SessionTrace(self._tracer, session_id, transport, with_words=self._with_words)

    async def aclose(self) -> None:
        """Export the last spans, for `FLUSH_S` at most."""
        stopping = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        stopping.start()
        await asyncio.to_thread(stopping.join, FLUSH_S)


def open_tracing(*, with_words: bool) -> Tracing:
    """Return tracing with the exporter of the environment; raises `Unavailable` if that cannot be."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise Unavailable(f"The setting tracing needs the OpenTelemetry SDK ({error}): {EXTRA}") from error
    _check("OTEL_TRACES_EXPORTER", "otlp")
    _check("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    _check("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
    ours = Resource({SERVICE_NAME: "streamsrv", SERVICE_VERSION: version("streamsrv")})
    detected = Resource.create()
    if "OTEL_SERVICE_NAME" not in os.environ and SERVICE_NAME not in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        resource = detected.merge(ours)  # the later one wins
    else:
        resource = ours.merge(detected)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider, with_words=with_words)


def _check(variable: str, accepted: str) -> None:
    """Refuse a value of a standard variable that streamsrv would ignore."""
    value = os.environ.get(variable) or accepted
    if value != accepted:
        raise Unavailable(f"{variable} is '{value}'; accepted is '{accepted}'.")
