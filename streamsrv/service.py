"""What all requests of one server share."""

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from streamsrv.access.client_secrets import ClientSecrets
from streamsrv.captions.rooms import Rooms
from streamsrv.config import Settings
from streamsrv.engines.loaded import Engines
from streamsrv.inference.load import Load
from streamsrv.metrics import Metrics

WATCH_S = 0.5
"""How often the load is measured."""


@dataclass(slots=True)
class Service:
    """Settings, loaded models, and how many sessions and REST requests are going on."""

    settings: Settings
    engines: Engines
    metrics: Metrics = field(default_factory=Metrics)
    sessions: int = 0
    requests: int = 0
    load: Load = field(default_factory=lambda: Load(_cores()))
    client_secrets: ClientSecrets = field(init=False)
    rooms: Rooms = field(init=False)

    def __post_init__(self) -> None:
        chosen = self.settings.secret_key
        self.client_secrets = ClientSecrets(chosen.get_secret_value().encode() if chosen else secrets.token_bytes(32))
        self.rooms = Rooms(
            self.settings.caption_rooms,
            keep_ms=round(self.settings.caption_keep_minutes * 60_000),
            new_key=lambda: secrets.token_hex(4),
        )

        self.engines.scheduler.observe(self.metrics)
        self.engines.voice_activity.observe(self.metrics)

    @property
    def has_room(self) -> bool:
        """Whether one more session leaves those there are as quick as they are."""
        if self.sessions >= self.settings.max_sessions:
            return False
        return not self.settings.admit_by_load or self.load.has_room(self.sessions)

    async def watch(self, media_cpu_s: Callable[[], float]) -> None:
        """Measure, until cancelled, how busy this process and its media processes are."""

        def used_s() -> float:
            return time.process_time() + media_cpu_s()

        def at_work_s() -> list[float]:
            return [occupancy.total_s for occupancy in self.engines.occupancies]

        while True:
            started_s, cpu_s, model_s = time.monotonic(), used_s(), at_work_s()
            await asyncio.sleep(WATCH_S)
            seconds = time.monotonic() - started_s
            queue_age_s = self.engines.scheduler.queue_age_s
            lag_s = max(0.0, seconds - WATCH_S)
            self.load.observe(
                seconds,
                sessions=self.sessions,
                cpu_s=used_s() - cpu_s,
                model_s=max((now - before for now, before in zip(at_work_s(), model_s, strict=True)), default=0.0),
                lag_s=lag_s,
                queue_age_s=queue_age_s,
            )
            self.metrics.event_loop_lag.observe(lag_s)
            self.metrics.queue_age.set(queue_age_s)
            self.metrics.busy.set(self.load.busy)
            self.metrics.model_busy.set(self.load.model_busy)

    @contextmanager
    def session(self) -> Generator[None]:
        """Occupy one place while a session runs."""
        self.sessions += 1
        self.metrics.sessions.set(self.sessions)
        try:
            yield
        finally:
            self.sessions -= 1
            self.metrics.sessions.set(self.sessions)

    @contextmanager
    def request(self) -> Generator[None]:
        """Count a REST request while it is answered."""
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
