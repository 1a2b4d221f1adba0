"""Turns the core's events and audio into frames, and sends them to the client."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

from streamsrv.core.effects import Close, FinishAudio, SendAudio, SendEvent
from streamsrv.runtime.channel import Channel, ChannelClosed
from streamsrv.runtime.ending import SLOW_CLIENT, Ending, Outcome
from streamsrv.runtime.fairness import TimeSlice
from streamsrv.runtime.send_queue import SendQueue
from streamsrv.runtime.speech_encoder import SpeechEncoder, encode_event

logger = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""Seconds without a frame taken after which reading no longer waits for the client."""


class Sending:
    """Queues frames for the client, and ends the session of a client that does not read.

    Only `run` and `catch_up` wait.
    """

    def __init__(self, session_id: str, new_id: Callable[[str], str], ending: Ending) -> None:
        self._session_id = session_id
        self._new_id = new_id
        self._ending = ending
        self._encoders: dict[str, SpeechEncoder] = {}
        self._closing: Outcome = None
        self._stuck_at = -1  # frames taken when the client stopped taking them
        self._queue = SendQueue()

    async def run(self, channel: Channel) -> None:
        """Send frames until the client is gone, or until all frames before a close are sent."""
        time_slice = TimeSlice()
        try:
            while (frame := await self._queue.get()) is not None:
                with time_slice:
                    await channel.send(frame)
                await time_slice.give_way()
        except ChannelClosed:
            self._ending.settle(None)
        else:
            self._ending.settle(self._closing)

    def send_event(self, effect: SendEvent) -> None:
        self._check_put(self._queue.put(encode_event(effect.event)))

    def send_audio(self, effect: SendAudio) -> None:
        item_id: str = effect.event_fields["item_id"]
        if item_id not in self._encoders:
            self._encoders[item_id] = SpeechEncoder(effect)
        self._put_audio(self._encoders[item_id].encode(effect), effect.pcm.nbytes)

    def finish_audio(self, effect: FinishAudio) -> None:
        if (encoder := self._encoders.pop(effect.item_id, None)) is not None:
            self._put_audio(encoder.finish(), 0)

    @property
    def queued_bytes(self) -> int:
        """Total bytes queued since the start of the session."""
        return self._queue.put_bytes

    async def catch_up(self) -> None:
        """Wait until the client has been sent all that is queued now.

        A client that reads nothing is waited for once; after that its queue fills up, which ends its session.
        """
        if self._queue.taken_frames != self._stuck_at and not await self._queue.wait_until_taken(PATIENCE_S):
            self._stuck_at = self._queue.taken_frames

    def close(self, effect: Close) -> None:
        """Send what is queued, then end the session."""
        self._closing = (effect.code, effect.reason)
        self._queue.end()

    def _put_audio(self, deltas: Iterator[dict[str, Any]], size: int) -> None:
        frames = (encode_event({**event, "event_id": self._new_id("event")}) for event in deltas)
        self._check_put(self._queue.put_unmade(frames, size))

    def _check_put(self, had_room: bool) -> None:
        if not had_room and not self._ending.is_settled:
            logger.warning("session %s: the client does not read; closing", self._session_id)
            self._ending.settle(SLOW_CLIENT)
