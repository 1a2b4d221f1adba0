"""The Prometheus metrics of a server (`GET /metrics`). No label has a value that a client gave, so all are bounded."""

import platform
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from streamsrv.engines.breaker import State
from streamsrv.engines.metering.accounts import LEVELS, Scope
from streamsrv.engines.observer import FailureReason, Stage
from streamsrv.inference.scheduler import Priority
from streamsrv.observability.helper_metrics import HelperCollector
from streamsrv.processes.usage import USAGES

disable_created_metrics()  # they would double the output, and Prometheus does not need them

LATENCY_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
LAG_BUCKETS_S = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
WAIT_BUCKETS_S = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
SESSION_BUCKETS_S = (1, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)

Transport = Literal["websocket", "webrtc", "telephone"]
EndReason = Literal[
    "client_left", "connection_lost", "hung_up", "expired", "slow_client", "malformed_events", "event_flood",
    "media_failed", "internal_error", "server_stopped", "transferred",
    "machine_answered",
]  # fmt: skip
"""Why a session ended."""
RefusalReason = Literal[
    "unauthorized", "client_secret", "forbidden", "host", "origin", "full", "key_full", "load", "rate", "quota",
    "too_large",
    "timeout", "invalid", "not_found", "unavailable", "stopping", "internal",
]  # fmt: skip
"""Why a request or a session was refused."""
PROVIDERS = ("twilio", "telnyx", "plivo", "vonage", "exotel", "audiosocket")
"""Those that stream telephone calls."""
Oddity = Literal["malformed", "unknown", "early", "error", "rate"]
"""What is wrong with a message: it cannot be read, is of an unknown kind, comes before the start, tells of an error of
the provider, or its audio has another sample rate than the stream says."""
ResponseStatus = Literal["completed", "cancelled", "incomplete", "failed"]
TURN_STAGES = ("turn_ended", "transcript", "first_token", "first_segment", "first_audio", "first_played")
DIRECTIONS = ("input", "output", "cached")
METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS".split())
BREAKER_OPEN: Mapping[State, float] = {"closed": 0.0, "half_open": 0.5, "open": 1.0}
OTHER = "other"
"""Label of what has no name here."""


class Metrics:
    """The metrics of one server; sessions report to it through their driver."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(HelperCollector(USAGES))
        info = Info("streamsrv_build", "Version of streamsrv, and of Python", registry=self._registry)
        info.info({"version": version("streamsrv"), "python": platform.python_version()})
        self._define_sessions()
        self._define_requests()
        self._define_models()
        self._define_load()

    def _define_sessions(self) -> None:
        self.sessions = self._gauge("sessions", "Open sessions")
        self.sessions_limit = self._gauge("sessions_limit", "Sessions that may be open at once")
        self._opened = self._counter("sessions_opened", "Sessions that began", transport=get_args(Transport))
        self._ended = self._counter(
            "sessions_ended", "Sessions that ended", transport=get_args(Transport), reason=get_args(EndReason)
        )
        self._durations = self._histogram(
            "session_duration_seconds", "Seconds that sessions lasted", SESSION_BUCKETS_S, transport=get_args(Transport)
        )
        self.sidebands = self._gauge("sidebands", "Open sideband connections to calls")
        self.calls = self._gauge("webrtc_calls", "WebRTC calls, from the offer to the end")
        self._phone_messages = self._counter(
            "phone_messages_ignored",
            "Messages of telephone providers that were ignored, by what is wrong with them",
            provider=PROVIDERS,
            reason=get_args(Oddity),
        )
        self.phone_calls = self._gauge("phone_calls", "Telephone calls that a session answers")
        self.phone_calls_refused = self._counter("phone_calls_refused", "Telephone calls that were turned away")
        self.media_processes = self._gauge("media_processes", "Media processes that run")
        self.media_failures = self._counter("media_process_failures", "Media processes that died with calls")
        self._stages = self._histogram(
            "turn_stage_seconds",
            "Seconds from the end of the user's speech to each stage of the answer",
            LATENCY_BUCKETS_S,
            stage=TURN_STAGES,
        )
        self._responses = self._counter(
            "responses", "Responses of sessions that are done, by status", status=get_args(ResponseStatus)
        )
        self.interruptions = self._counter("interruptions", "Replies that the user interrupted by speaking (barge-in)")
        self._early_turn_ends = self._counter(
            "early_turn_ends",
            "Turns with which the user went on after their end was found, by whether an answer had begun",
            answered=("yes", "no"),
        )
        self._speculation = self._counter(
            "speculation_tokens",
            "Tokens of answers that began before the end of the turn, by whether the answer was used",
            used=("yes", "no"),
        )
        self.caption_rooms = self._gauge("caption_rooms", "Caption rooms")
        self.caption_viewers = self._gauge("caption_viewers", "Viewers of caption rooms")

    def _define_requests(self) -> None:
        self.refused = self._counter("sessions_refused", "Sessions refused because the server was full")
        self._refusals = self._counter(
            "refusals", "Requests and sessions that were refused, by reason", reason=get_args(RefusalReason)
        )
        self._requests = self._counter(
            "http_requests", "HTTP requests by route, method and status", route=(), method=(), status=()
        )
        self._request_seconds = self._histogram(
            "http_response_start_seconds",
            "Seconds from a request to the start of its response",
            LATENCY_BUCKETS_S,
            route=(),
        )

    def _define_models(self) -> None:
        self._calls = self._counter(
            "model_requests", "Requests to a model: recognitions, answers, spoken segments", stage=(), model=()
        )
        self._failures = self._counter(
            "model_failures", "Failures of a model, by what they mean to its caller", stage=(), model=(), reason=()
        )
        self._fallbacks = self._counter(
            "fallbacks", "Uses of a substitute for a model that failed", stage=(), **{"from": ()}, to=()
        )
        self._breakers = Gauge(
            "streamsrv_breaker_open",
            "Whether a model is left out because it keeps failing: 1; 0.5: one request may try it again; 0: it is used",
            ["stage", "model"],
            registry=self._registry,
        )
        self._tokens = self._counter(
            "tokens", "Tokens of language models; cached ones are part of the input", model=(), direction=()
        )
        self._recognized = self._counter("audio_recognized_seconds", "Seconds of audio given to a recogniser", model=())
        self._connected = self._counter(
            "recognizer_connected_seconds", "Seconds of connections to a recogniser that charges for them", model=()
        )
        self._synthesized = self._counter("audio_synthesized_seconds", "Seconds of synthesised audio", model=())
        self._costs = self._counter(
            "cost_usd", "What requests to models have cost, in USD, by the price book", stage=(), model=()
        )
        self._unpriced = self._counter(
            "unpriced_requests", "Requests to models whose price is not known", stage=(), model=()
        )
        self.ledger_waiting = self._gauge("ledger_waiting_charges", "Charges that are not in the ledger yet")
        self.ledger_lost = self._gauge(
            "ledger_lost_charges", "Charges that were lost because the ledger could not be written for too long"
        )
        self._limits_reached = self._counter(
            "cost_limits_reached",
            "Sessions, keys and days that reached a level of their limit of cost",
            scope=get_args(Scope),
            level=LEVELS[1:],
        )

    def _define_load(self) -> None:
        priorities = [priority.name.lower() for priority in Priority]
        self._waits = self._histogram(
            "queue_wait_seconds",
            "Seconds that model calls wait for a worker thread",
            WAIT_BUCKETS_S,
            priority=priorities,
        )
        self._shed = self._counter("jobs_shed", "Model calls dropped before they started", priority=priorities)
        self.queue_age = self._gauge("queue_age_seconds", "Seconds that the oldest waiting model call has waited")
        self.busy = self._gauge("busy_ratio", "Recent share of all cores that the server used, 0 to 1")
        self.model_busy = self._gauge(
            "model_busy_ratio", "Recent share of the time during which the local language model computed, 0 to 1"
        )
        self.event_loop_lag = self._histogram(
            "event_loop_lag_seconds", "Seconds by which the event loop runs a timer late", LAG_BUCKETS_S
        )

    def _counter(self, name: str, documentation: str, **labels: Iterable[str]) -> Counter:
        counter = Counter(f"streamsrv_{name}", documentation, list(labels), registry=self._registry)
        _create(counter, labels)
        return counter

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(f"streamsrv_{name}", documentation, registry=self._registry)

    def _histogram(
        self, name: str, documentation: str, buckets: tuple[float, ...], **labels: Iterable[str]
    ) -> Histogram:
        full_name = f"streamsrv_{name}"
        histogram = Histogram(full_name, documentation, list(labels), buckets=buckets, registry=self._registry)
        _create(histogram, labels)
        return histogram

    def expect_model(self, stage: Stage, model: str, substitutes: Iterable[str] = ()) -> None:
        """Create the series of a loaded model, and of those that answer in its place."""
        if stage != "vad":  # its requests are frames, and are not counted
            self._calls.labels(stage, model)
        for reason in get_args(FailureReason):
            self._failures.labels(stage, model, reason)
        for substitute in substitutes:
            self._fallbacks.labels(stage, model, substitute)
        if stage not in ("vad", "turn"):
            self._costs.labels(stage, model)
            self._unpriced.labels(stage, model)
        match stage:
            case "chat":
                for direction in DIRECTIONS:
                    self._tokens.labels(model, direction)
            case "recognizer":
                self._recognized.labels(model)
                self._connected.labels(model)
            case "synthesizer":
                self._synthesized.labels(model)
            case _:
                pass

    def watch_breaker(self, stage: Stage, model: str, state: Callable[[], State]) -> None:
        """Show the state of a model's circuit breaker, asked for at each scrape."""
        self._breakers.labels(stage, model).set_function(lambda: BREAKER_OPEN[state()])

    def paid(self, stage: Stage, model: str, usd: float, *, is_known: bool) -> None:
        """Record a request that was paid for. `is_known`: all that it consumed has a price."""
        self._costs.labels(stage, model).inc(usd)
        if not is_known:
            self._unpriced.labels(stage, model).inc()

    def limit_reached(self, scope: str, level: str) -> None:
        """Record that a session, a key or the server has reached a level of its limit of cost."""
        self._limits_reached.labels(scope, level).inc()

    def phone_message_ignored(self, provider: str, reason: Oddity) -> None:
        """Record a message of a telephone call that was ignored, or only logged."""
        self._phone_messages.labels(provider, reason).inc()

    def expect_route(self, route: str, methods: Iterable[str]) -> None:
        """Create the series of the answered requests of a route."""
        self._request_seconds.labels(route)
        for method in methods:
            self._requests.labels(route, method, "200")

    def session_opened(self, transport: Transport) -> None:
        self._opened.labels(transport).inc()

    def session_ended(self, transport: Transport, reason: EndReason, seconds: float) -> None:
        self._ended.labels(transport, reason).inc()
        self._durations.labels(transport).observe(seconds)

    def turn(self, latencies_ms: Mapping[str, int]) -> None:
        """Record an answered spoken turn; keys are `<stage>_ms`. A stage that ended before the speech counts as 0."""
        for stage, latency_ms in latencies_ms.items():
            self._stages.labels(stage.removesuffix("_ms")).observe(max(latency_ms, 0) / 1000)

    def response(self, status: ResponseStatus) -> None:
        """Record a response that is done."""
        self._responses.labels(status).inc()

    def early_turn_end(self, *, answered: bool) -> None:
        """Count a turn with which the user went on."""
        self._early_turn_ends.labels(answered="yes" if answered else "no").inc()

    def speculation(self, tokens: int, *, used: bool) -> None:
        """Record the tokens of a speculative answer that was committed (`used`) or discarded."""
        self._speculation.labels("yes" if used else "no").inc(tokens)

    def refusal(self, reason: RefusalReason) -> None:
        """Record a request or a session that was refused."""
        self._refusals.labels(reason).inc()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Record an HTTP request whose response began after `seconds`. `route` is a template, never a path."""
        self._requests.labels(route, method if method in METHODS else OTHER, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def called(self, stage: Stage, model: str) -> None:
        self._calls.labels(stage, model).inc()

    def failed(self, stage: Stage, model: str, reason: FailureReason) -> None:
        self._failures.labels(stage, model, reason).inc()

    def fell_back(self, stage: Stage, model: str, to: str) -> None:
        self._fallbacks.labels(stage, model, to).inc()

    def tokens(self, model: str, input_tokens: int, output_tokens: int, cached_tokens: int) -> None:
        for direction, tokens in zip(DIRECTIONS, (input_tokens, output_tokens, cached_tokens), strict=True):
            self._tokens.labels(model, direction).inc(tokens)

    def recognized(self, model: str, seconds: float) -> None:
        self._recognized.labels(model).inc(seconds)

    def connected(self, model: str, seconds: float) -> None:
        self._connected.labels(model).inc(seconds)

    def synthesized(self, model: str, seconds: float) -> None:
        self._synthesized.labels(model).inc(seconds)

    def job_started(self, priority: Priority, waited_s: float) -> None:
        self._waits.labels(priority.name.lower()).observe(waited_s)

    def job_shed(self, priority: Priority) -> None:
        self._shed.labels(priority.name.lower()).inc()

    def exposition(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self._registry)


def _create(metric: Counter | Histogram, labels: Mapping[str, Iterable[str]]) -> None:
    """Create the series of all combinations of label values, so that they are 0 before the first event."""
    combinations: list[dict[str, str]] = [{}]
    for label, values in labels.items():
        combinations = [{**combination, label: value} for combination in combinations for value in values]
    for combination in combinations if labels else []:
        metric.labels(**combination)
