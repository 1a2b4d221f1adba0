"""Playback on a telephone line, over a fake line in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_line import FakeLine
from streamsrv.core.inputs import PlaybackEnded
from streamsrv.testing.virtual_loop import run_in_virtual_time
from streamsrv.transports.telephony.line import MarkPassed
from streamsrv.transports.telephony.phone_speaker import PhoneSpeaker
from streamsrv.transports.telephony.playback import AHEAD_MS, FRAME_MS, MARK_MS, OVERDUE_MS, Playback, Report

RATE = 8000
LINES = pytest.mark.parametrize("buffers", [True, False], ids=["buffering", "paced"])


def ramp(duration_ms: int) -> NDArray[np.int16]:
    """Audio in which every sample is another one."""
    return np.arange(1, RATE * duration_ms // 1000 + 1).astype(np.int16)


class Played:
    """A speaker on a fake line, and what it has reported."""

    def __init__(self, line: FakeLine) -> None:
        self.line = line
        self.reports: list[Report] = []
        self.told: list[NDArray[np.int16]] = []
        self.speaker = PhoneSpeaker(line, self.reports.append, self.told.append)
        self._listening = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        while True:
            event = await self.line.receive()
            if isinstance(event, MarkPassed):
                self.speaker.pass_mark(event.name)

    def say(self, item_id: str, duration_ms: int, *, finished: bool = True) -> NDArray[np.int16]:
        pcm = ramp(duration_ms)
        self.speaker.play(item_id, pcm, RATE)
        if finished:
            self.speaker.finish(item_id)
        return pcm

    @property
    def ends(self) -> list[tuple[str, int]]:
        return [(r.item_id, r.audio_ms) for r in self.reports if isinstance(r, PlaybackEnded)]

    @property
    def heard(self) -> NDArray[np.int16]:
        return np.concatenate([np.zeros(0, np.int16), *self.told])

    def leave(self) -> None:
        self.speaker.close()
        self._listening.cancel()


def playing(work: Callable[[Played], Awaitable[None]], **line: object) -> None:
    async def run() -> None:
        played = Played(FakeLine(**line))  # type: ignore[arg-type]
        try:
            await work(played)
        finally:
            played.leave()

    run_in_virtual_time(run())


@LINES
def test_all_of_an_item_is_heard_and_reported(buffers: bool):
    async def work(played: Played) -> None:
        said = played.say("a", 1010)
        await asyncio.sleep(3)
        assert np.array_equal(played.line.heard()[: len(said)], said)
        assert not played.line.heard()[len(said) :].any()
        assert played.ends == [("a", 1010)]
        positions = [report.audio_ms for report in played.reports]
        assert positions == sorted(positions)
        assert positions[0] <= FRAME_MS
        assert max(np.diff(positions)) <= MARK_MS + FRAME_MS

    playing(work, buffers=buffers)


@LINES
def test_items_are_heard_one_after_the_other_without_a_gap(buffers: bool):
    async def work(played: Played) -> None:
        said = [played.say(item_id, 400) for item_id in "abc"]
        await asyncio.sleep(1.3)
        assert np.array_equal(played.line.heard(), np.concatenate(said))
        assert played.ends == [("a", 400), ("b", 400), ("c", 400)]

    playing(work, buffers=buffers)


@LINES
@pytest.mark.parametrize("at_s", [0.05, 0.31, 0.777])
def test_a_hold_goes_on_at_the_same_sample(buffers: bool, at_s: float):
    async def work(played: Played) -> None:
        said = played.say("a", 1000)
        await asyncio.sleep(at_s)
        played.speaker.hold()
        held = played.line.heard_ms
        await asyncio.sleep(2)
        assert played.line.heard_ms <= held + FRAME_MS
        played.speaker.resume()
        await asyncio.sleep(2)
        heard = played.line.heard()[: len(said)]
        assert set(np.diff(heard[:-1])) <= {0, 1, 2}  # the clocks of line and speaker differ by a sample at most
        assert abs(heard[-2] - said[-2]) <= 1
        assert played.ends == [("a", 1000)]

    playing(work, buffers=buffers)


@LINES
@pytest.mark.parametrize("at_s", [0.0, 0.31, 0.777])
def test_nothing_counts_as_heard_while_the_other_side_holds_the_call(buffers: bool, at_s: float):
    async def work(played: Played) -> None:
        said = played.say("a", 1000)
        await asyncio.sleep(at_s)
        played.speaker.hold_line(True)
        held = len(played.heard)
        played.speaker.hold()  # speech that turns out to be none
        played.speaker.resume()
        played.say("b", 500)
        await asyncio.sleep(60)
        assert len(played.heard) == held
        assert played.ends == []
        played.speaker.hold_line(False)
        await asyncio.sleep(2)
        assert played.ends == [("a", 1000), ("b", 500)]
        assert np.array_equal(played.heard[: len(said)], said)

    playing(work, buffers=buffers)


@LINES
@pytest.mark.parametrize("at_s", [0.0, 0.013, 0.25, 0.999])
def test_clear_reports_what_was_heard_within_a_frame(buffers: bool, at_s: float):
    async def work(played: Played) -> None:
        played.say("a", 700)
        played.say("b", 900)
        await asyncio.sleep(at_s)
        played.speaker.clear()
        heard_ms = played.line.heard_ms
        await asyncio.sleep(3)
        assert played.line.heard_ms <= heard_ms + FRAME_MS
        ends = dict(played.ends)
        assert set(ends) == {"a", "b"}
        assert abs(sum(ends.values()) - heard_ms) <= FRAME_MS

    playing(work, buffers=buffers)


@pytest.mark.parametrize("delay_s", [0.02, 0.15, 0.4])
def test_over_a_slow_network_no_more_is_reported_than_was_heard(delay_s: float):
    async def work(played: Played) -> None:
        played.say("a", 3000)
        while played.line.heard_ms < 2500:
            await asyncio.sleep(0.037)
            if isinstance(played.reports[-1], PlaybackEnded) or played.reports[-1].audio_ms <= MARK_MS:
                continue
            assert played.reports[-1].audio_ms <= played.line.heard_ms + 1
        played.speaker.clear()
        await asyncio.sleep(1)
        late_ms = played.line.heard_ms - played.ends[0][1]
        assert -1 <= late_ms <= 2000 * delay_s + MARK_MS

    playing(work, delay_s=delay_s)


def test_a_buffering_line_is_sent_a_bounded_amount_ahead():
    async def work(played: Played) -> None:
        played.say("a", 30_000)
        for _ in range(100):
            sent_ms = sum(samples for _, samples in played.line.sends) * 1000 / RATE
            assert sent_ms - played.line.heard_ms <= AHEAD_MS + 2 * MARK_MS
            await asyncio.sleep(0.05)

    playing(work)


def test_a_paced_line_gets_a_frame_each_20_ms_and_does_not_drift():
    async def work(played: Played) -> None:
        played.say("a", 20_000)
        await asyncio.sleep(20)
        times = [at_s for at_s, _ in played.line.sends]
        assert {samples for _, samples in played.line.sends} == {RATE * FRAME_MS // 1000}
        assert times == pytest.approx(np.arange(1000) * 0.02)

    playing(work, buffers=False)


@pytest.mark.parametrize(("stall_ms", "at_once"), [(45, 3), (500, 1)])
def test_a_paced_line_gets_no_burst_after_a_stall(stall_ms: int, at_once: int):
    class Sent(FakeLine):
        pass

    async def run() -> None:
        line = Sent(buffers=False)
        playback = Playback(line, lambda _: None)
        playback.play("a", ramp(2000), RATE, 0)
        assert len(line.sends) == 1
        playback.tick(20 + stall_ms)
        assert len(line.sends) == 1 + at_once

    run_in_virtual_time(run())


def test_marks_that_never_pass_hold_nothing_up_for_long():
    async def work(played: Played) -> None:
        played.say("a", 3000)
        await asyncio.sleep(3 + OVERDUE_MS / 1000 + 1)
        assert played.ends == [("a", 3000)]
        assert len(played.heard) == 3 * RATE
        assert played.speaker.lost_marks > 0

    playing(work, marks=False)


def test_marks_of_dropped_audio_mean_nothing():
    async def work(played: Played) -> None:
        played.say("a", 2000)
        await asyncio.sleep(0.2)
        played.speaker.clear()
        played.say("b", 2000)
        await asyncio.sleep(0.3)
        assert [report for report in played.reports if report.item_id == "b"][-1].audio_ms <= 300
        played.speaker.pass_mark("unknown")
        assert [report for report in played.reports if report.item_id == "b"][-1].audio_ms <= 300

    playing(work, delay_s=0.1)


@LINES
def test_the_waiting_sound_gives_way_to_speech_at_once(buffers: bool):
    sound = np.tile(np.array([7, -7], np.int16), RATE * 200 // 2000)

    async def work(played: Played) -> None:
        played.speaker.sound(sound)
        await asyncio.sleep(1)
        assert len(played.line.heard()) >= 0.95 * RATE
        assert not played.reports
        before = len(played.line.heard())
        said = played.say("a", 300)
        await asyncio.sleep(0.35)
        after = played.line.heard()[before:]
        start = int(np.argmax(after == 1))
        assert start <= RATE * FRAME_MS // 1000 + 1
        assert np.array_equal(after[start : start + len(said)], said)
        played.speaker.sound(np.zeros(0, np.int16))
        count = len(played.line.heard())
        await asyncio.sleep(1)
        assert len(played.line.heard()) <= count + RATE * FRAME_MS // 1000

    playing(work, buffers=buffers)


@LINES
def test_the_waiting_sound_is_heard_while_playback_is_held(buffers: bool):
    sound = np.full(RATE * 200 // 1000, -7, np.int16)

    async def work(played: Played) -> None:
        said = played.say("a", 600)
        await asyncio.sleep(0.3)
        played.speaker.hold()
        at = len(played.line.heard())
        played.speaker.sound(sound)
        await asyncio.sleep(1)
        assert np.count_nonzero(played.line.heard()[at:] == -7) >= 0.95 * RATE
        played.speaker.resume()
        await asyncio.sleep(0.5)
        heard = played.line.heard()
        heard = heard[heard > 0]
        assert set(np.diff(heard)) <= {0, 1, 2}  # the clocks of line and speaker differ by a sample at most
        assert abs(heard[-1] - said[-1]) <= 1
        assert played.ends == [("a", 600)]

    playing(work, buffers=buffers)


@LINES
def test_the_waiting_sound_is_heard_between_two_parts_of_an_item(buffers: bool):
    sound = np.full(RATE * 200 // 1000, -7, np.int16)

    async def work(played: Played) -> None:
        said = played.say("a", 300, finished=False)
        await asyncio.sleep(0.5)
        at = len(played.line.heard())
        played.speaker.sound(sound)
        await asyncio.sleep(1)
        assert np.count_nonzero(played.line.heard()[at:] == -7) >= 0.95 * RATE
        rest = played.say("a", 300)
        played.speaker.sound(np.zeros(0, np.int16))
        await asyncio.sleep(0.5)
        heard = played.line.heard()
        assert np.array_equal(heard[heard > 0], np.concatenate([said, rest]))
        assert played.ends == [("a", 600)]

    playing(work, buffers=buffers)


@LINES
def test_a_closed_speaker_reports_what_was_heard_until_then(buffers: bool):
    async def work(played: Played) -> None:
        played.say("a", 2000)
        await asyncio.sleep(0.5)
        played.speaker.close()
        await asyncio.sleep(1)
        played.speaker.resume()
        played.say("a", 200)
        played.speaker.clear()
        assert played.ends == [("a", pytest.approx(500, abs=FRAME_MS))]

    playing(work, buffers=buffers)


@LINES
@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000])
def test_speech_of_any_rate_keeps_its_length(buffers: bool, rate: int):
    async def work(played: Played) -> None:
        for _ in range(7):
            played.speaker.play("a", np.zeros(rate // 7, np.int16), rate)
        played.speaker.finish("a")
        await asyncio.sleep(2)
        assert played.ends == [("a", pytest.approx(1000, abs=2))]

    playing(work, buffers=buffers)
