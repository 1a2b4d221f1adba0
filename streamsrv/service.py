"""What all requests of one server share."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from streamsrv.config import Settings
from streamsrv.providers.engines import Engines


@dataclass(slots=True)
class Service:
    """Settings, loaded models and the count of running sessions."""

    settings: Settings
    engines: Engines
    sessions: int = 0

    @property
    def has_room(self) -> bool:
        return self.sessions < self.settings.max_sessions

    @contextmanager
    def session(self) -> Generator[None]:
        """Occupy one place while a session runs."""
        self.sessions += 1
        try:
            yield
        finally:
            self.sessions -= 1
