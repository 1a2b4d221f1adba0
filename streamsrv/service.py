"""What all requests of one server share."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from streamsrv.config import Settings
from streamsrv.metrics import Metrics
from streamsrv.providers.engines import Engines


@dataclass(slots=True)
class Service:
    """Settings, loaded models, and how many sessions and REST requests are going on."""

    settings: Settings
    engines: Engines
    metrics: Metrics = field(default_factory=Metrics)
    sessions: int = 0
    requests: int = 0

    @property
    def has_room(self) -> bool:
        return self.sessions < self.settings.max_sessions

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
