"""Sends a session's events to further connections, such as the application's sideband."""

from streamsrv.runtime.send_queue import SendQueue


class Listeners:
    """Gives each connection every event of the session, through a bounded queue of its own."""

    def __init__(self) -> None:
        self._queues: list[SendQueue] = []

    def attach(self, queue: SendQueue) -> None:
        """Put every event from now on into `queue`, which ends with the call or when it is full."""
        self._queues.append(queue)

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
