"""What all requests of one server share."""

import secrets
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from streamsrv.config import Settings
from streamsrv.metrics import Metrics
from streamsrv.providers.engines import Engines
from streamsrv.realtime.client_secrets import ClientSecrets


@dataclass(slots=True)
class Service:
    """Settings, loaded models, and how many sessions and REST requests are going on."""

    settings: Settings
    engines: Engines
    metrics: Metrics = field(default_factory=Metrics)
    sessions: int = 0
    requests: int = 0
    client_secrets: ClientSecrets = field(init=False)

    def __post_init__(self) -> None:
        chosen = self.settings.secret_key
        self.client_secrets = ClientSecrets(chosen.get_secret_value().encode() if chosen else secrets.token_bytes(32))

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
