"""A simulated client with its loudspeaker and application, and the network between client and server."""

from collections import defaultdict
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamsrv.core.inputs import EventReceived, EventRefused, Input, PlaybackReported
from streamsrv.protocol.client_events import MalformedEvent, decode_client_event
from streamsrv.testing.player import Cut, Player
from streamsrv.testing.scenario import ClientTraits, NetworkTraits
from streamsrv.testing.simulated_loudspeaker import SimulatedLoudspeaker
from streamsrv.testing.virtual_time import Scheduled, VirtualTime


class Link:
    """One direction of the network. It delays messages and keeps their order."""

    def __init__(self, traits: NetworkTraits, time: VirtualTime, random: Random) -> None:
        self._traits = traits
        self._time = time
        self._random = random
        self._last_ms = 0
        self.in_flight = 0

    @property
    def max_delay_ms(self) -> int:
        """Longest delay of a message."""
        return self._traits.delay_ms + self._traits.jitter_ms

    def send(self, deliver: Callable[[], None], *, awaited: bool = True) -> int:
        """Call `deliver` when the message arrives; return that time. `awaited`: count it as in flight until then."""
        jitter_ms = self._random.randint(0, self._traits.jitter_ms) if self._traits.jitter_ms else 0
        self._last_ms = max(self._last_ms, self._time.now_ms + self._traits.delay_ms + jitter_ms)
        self.in_flight += awaited
        self._time.at(self._last_ms, lambda: self._arrive(deliver, awaited))
        return self._last_ms

    def _arrive(self, deliver: Callable[[], None], awaited: bool) -> None:
        self.in_flight -= awaited
        deliver()


class SimulatedClient:
    """Plays received audio and reacts to events as a stock client does. `give` gives an input to the server."""

    def __init__(self, traits: ClientTraits, time: VirtualTime, uplink: Link, give: Callable[[Input], None]) -> None:
        self._traits = traits
        self._time = time
        self._uplink = uplink
        self._give = give
        self._player = Player(traits.buffer_ms)
        self._transcripts: defaultdict[str, str] = defaultdict(str)
        self._may_interrupt = False
        self._responding = 0
        self._done_ms = -1
        self._busy_with_tools = 0
        self._next_report: Scheduled | None = None
        self._loudspeaker = SimulatedLoudspeaker(self._player, time, self._report_playback)
        self._cuts: dict[str, Cut] = {}

    @property
    def player(self) -> Player:
        return self._player

    @property
    def cuts(self) -> dict[str, Cut]:
        """Where playback was cut off, by item id."""
        return self._cuts | self._loudspeaker.cuts

    @property
    def idle(self) -> bool:
        """Whether nothing is playing, no response is expected and no tool result is pending."""
        busy = self.audible or self._next_report is not None or not self._loudspeaker.idle
        return not (busy or self._responding or self._busy_with_tools)

    def heard_words(self) -> int:
        return self._player.heard_words(self._time.now_ms)

    def heard_texts(self) -> list[str]:
        """Return the words of all replies that were played."""
        texts: list[str] = []
        for item_id, item in self._player.items.items():
            count = item.words_until(item.played_ms(self._time.now_ms))
            texts += self._transcripts[item_id].split()[:count]
        return texts

    @property
    def audible(self) -> bool:
        return self._player.busy_until_ms > self._time.now_ms

    def replied_since(self, at_ms: int) -> bool:
        return self.idle and max(self._done_ms, self._player.busy_until_ms) > at_ms

    def send(self, event: dict[str, Any]) -> None:
        """Send an event of the application; `response.cancel` also stops playback."""
        self._send(event)
        if event["type"] == "response.cancel":
            self._stop_playback(None)

    def take_audio(self, item_id: str, pcm: NDArray[np.int16], sample_rate: int) -> None:
        """Take audio from the server, in which words are encoded as `SimulatedGenerator` describes."""
        if self._traits.holds_playback:
            self._loudspeaker.play(item_id, pcm, sample_rate)
            return
        word_ends = [(int(sample) + 1) * 1000 // sample_rate for sample in np.flatnonzero(pcm)]
        self._player.play(item_id, len(pcm) * 1000 // sample_rate, word_ends, self._time.now_ms)
        if self._traits.reports_ms is not None and self._next_report is None:
            self._next_report = self._time.after(self._traits.reports_ms, self._report)

    def take_event(self, event: dict[str, Any], sent_ms: int) -> None:
        """Take an event that the server sent at `sent_ms`."""
        match event["type"]:
            case "session.created" | "session.updated":
                detection = event["session"]["audio"]["input"]["turn_detection"]
                self._may_interrupt = bool(detection and detection["interrupt_response"])
            case "streamsrv.playback.hold":
                self._loudspeaker.hold()
            case "streamsrv.playback.resume":
                self._loudspeaker.resume()
            case "streamsrv.playback.clear":
                self._loudspeaker.clear(sent_ms, self._uplink.max_delay_ms)
            case "response.output_audio.done" if self._traits.holds_playback:
                self._loudspeaker.finish(event["item_id"])
            case "input_audio_buffer.speech_started" if self._may_interrupt:
                self._stop_playback(sent_ms)
            case "response.created":
                self._responding += 1
            case "response.output_audio_transcript.delta":
                self._transcripts[event["item_id"]] += event["delta"]
            case "response.done":
                self._responding -= 1
                self._done_ms = self._time.now_ms
                self._answer_calls(event["response"]["output"])
            case _:
                pass

    def _stop_playback(self, told_ms: int | None) -> None:
        """Stop playback. `told_ms`: when the server sent the event that causes it; None: the application decided it."""
        policy = self._traits.on_interruption
        if policy == "play_on" or self._traits.held_by_transport or self._traits.holds_playback:
            return
        now_ms = self._time.now_ms
        for index, item_id in enumerate(self._player.flush(now_ms)):
            played_ms = self._player.items[item_id].played_ms(now_ms)
            truncated_ms = None
            if policy == "truncate" or (policy == "truncate_current" and index == 0):
                truncated_ms = self._send(
                    {
                        "type": "conversation.item.truncate",
                        "item_id": item_id,
                        "content_index": 0,
                        "audio_end_ms": played_ms,
                    }
                )
            if self._traits.reports_ms is not None:
                self._give_report(item_id, played_ms)
            self._cuts[item_id] = Cut(played_ms, truncated_ms if told_ms is None else told_ms, truncated_ms)

    def _answer_calls(self, output: list[dict[str, Any]]) -> None:
        calls = [item for item in output if item["type"] == "function_call" and item["status"] == "completed"]
        if calls:
            self._busy_with_tools += 1
            self._time.after(self._traits.tool_ms, lambda: self._return_results(calls))

    def _return_results(self, calls: list[dict[str, Any]]) -> None:
        self._busy_with_tools -= 1
        for call in calls:
            result = {"type": "function_call_output", "call_id": call["call_id"], "output": "done"}
            self._send({"type": "conversation.item.create", "item": result})
        self._send({"type": "response.create"})

    def _report(self) -> None:
        self._next_report = None
        now_ms, every_ms = self._time.now_ms, self._traits.reports_ms or 0
        for item_id, item in self._player.items.items():
            if not item.cut and item.runs[-1][0] < now_ms < sum(item.runs[-1]) + every_ms:
                self._give_report(item_id, item.played_ms(now_ms))
        if self.audible:
            self._next_report = self._time.after(every_ms, self._report)

    def _report_playback(self, item_id: str, played_ms: int, ended: bool) -> None:
        self._send({"type": "streamsrv.playback.report", "item_id": item_id, "audio_ms": played_ms, "ended": ended})

    def _give_report(self, item_id: str, played_ms: int) -> None:
        self._uplink.send(lambda: self._give(PlaybackReported(item_id, played_ms)))

    def _send(self, event: dict[str, Any]) -> int:
        frame = msgspec.json.encode(event)
        try:
            happened: Input = EventReceived(decode_client_event(frame))
        except MalformedEvent as malformed:
            happened = EventRefused(malformed.error.details, malformed.event_id)
        return self._uplink.send(lambda: self._give(happened))
