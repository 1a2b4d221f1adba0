"""The Prometheus metrics of a server (`GET /metrics`)."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from streamsrv.inference.scheduler import Priority

LATENCY_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
LAG_BUCKETS_S = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
WAIT_BUCKETS_S = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class Metrics:
    """The metrics of one server; sessions report to it through their driver."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._stages = Histogram(
            "streamsrv_turn_stage_seconds",
            "Seconds from the end of the user's speech to each stage of the answer",
            ["stage"],
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self._speculation = Counter(
            "streamsrv_speculation_tokens",
            "Tokens of answers that began before the end of the turn, by whether the answer was used",
            ["used"],
            registry=self._registry,
        )
        self._waits = Histogram(
            "streamsrv_queue_wait_seconds",
            "Seconds that model calls wait for a worker thread",
            ["priority"],
            buckets=WAIT_BUCKETS_S,
            registry=self._registry,
        )
        self._shed = Counter(
            "streamsrv_jobs_shed", "Model calls dropped before they started", ["priority"], registry=self._registry
        )
        self.queue_age = Gauge(
            "streamsrv_queue_age_seconds",
            "Seconds that the oldest waiting model call has waited",
            registry=self._registry,
        )
        self.busy = Gauge(
            "streamsrv_busy", "Recent share of all cores that the server used, 0 to 1", registry=self._registry
        )
        self.model_busy = Gauge(
            "streamsrv_model_busy",
            "Recent share of the time during which the local language model computed, 0 to 1",
            registry=self._registry,
        )
        self.event_loop_lag = Histogram(
            "streamsrv_event_loop_lag_seconds",
            "Seconds by which the event loop runs a timer late",
            buckets=LAG_BUCKETS_S,
            registry=self._registry,
        )
        self.sessions = Gauge("streamsrv_sessions", "Open sessions", registry=self._registry)
        self.caption_viewers = Gauge("streamsrv_caption_viewers", "Viewers of caption rooms", registry=self._registry)
        self.refused = Counter(
            "streamsrv_sessions_refused", "Sessions refused because the server was full", registry=self._registry
        )

    def turn(self, latencies_ms: Mapping[str, int]) -> None:
        """Record an answered spoken turn; keys are `<stage>_ms`. A stage that ended before the speech counts as 0."""
        for stage, latency_ms in latencies_ms.items():
            self._stages.labels(stage.removesuffix("_ms")).observe(max(latency_ms, 0) / 1000)

    def speculation(self, tokens: int, *, used: bool) -> None:
        """Record the tokens of a speculative answer that was committed (`used`) or discarded."""
        self._speculation.labels("yes" if used else "no").inc(tokens)

    def job_started(self, priority: Priority, waited_s: float) -> None:
        self._waits.labels(priority.name.lower()).observe(waited_s)

    def job_shed(self, priority: Priority) -> None:
        self._shed.labels(priority.name.lower()).inc()

    def exposition(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self._registry)
