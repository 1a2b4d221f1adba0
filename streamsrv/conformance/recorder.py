"""Records the events of one session and checks each when it arrives."""

from collections.abc import Collection

from streamsrv.conformance.order import check_order
from streamsrv.conformance.shapes import Event, check_shape, parse_event
from streamsrv.conformance.violations import require


class Recorder:
    """The events of one session. `extensions`: names of `streamsrv.*` event types that the client asked for."""

    def __init__(self, extensions: Collection[str] = ()) -> None:
        self.events: list[Event] = []
        self._extensions = extensions
        self._ids: set[str] = set()

    def take(self, frame: str | bytes) -> Event:
        """Check the shape of one frame, record its event and return it. Raises `Violation`."""
        event = parse_event(frame)
        require(event["event_id"] not in self._ids, f"The event_id {event['event_id']} was used before.")
        self._ids.add(event["event_id"])
        if event["type"].startswith("streamsrv."):
            require(event["type"] in self._extensions, f"{event['type']} came, but the client did not request it.")
        else:
            check_shape(frame, event)
        self.events.append(event)
        return event

    def check_order(self) -> None:
        """Check the order of all events so far; every response must have ended. Raises `Violation`."""
        check_order(self.events)
