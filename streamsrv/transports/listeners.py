"""Sends a session's events to further connections, such as the application's sideband."""

from streamsrv.ids import new_id
from streamsrv.protocol.session_object import session_to_wire
from streamsrv.runtime.driver import SessionDriver
from streamsrv.runtime.send_queue import SendQueue
from streamsrv.runtime.speech_encoder import encode_event


class Listeners:
    """Gives each connection every event of the session, through a bounded queue of its own."""

    def __init__(self) -> None:
        self._queues: list[SendQueue] = []

    def join(self, driver: SessionDriver | None = None) -> SendQueue:
        """Return a queue that gets every event from now on, and ends with the call or when it is full.

        `driver`: that of the session, if it has begun; its session object comes first.
        """
        queue = SendQueue()
        if driver is not None:
            session = session_to_wire(driver.session)
            queue.put(encode_event({"type": "session.created", "event_id": new_id("event"), "session": session}))
        self._queues.append(queue)
        return queue

    def detach(self, queue: SendQueue) -> None:
        if queue in self._queues:
            self._queues.remove(queue)
            queue.end()

    def send(self, frame: bytes) -> None:
        for queue in self._queues.copy():
            if not queue.put(frame):
                self.detach(queue)

    def end(self) -> None:
        for queue in self._queues.copy():
            self.detach(queue)
