"""How many sessions one core can speak to at once, in time that is counted in the CPU time of this process."""

import asyncio
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from streamsrv.core.answers.spoken_message import AHEAD_MS
from streamsrv.core.answers.spoken_segments import SpokenSegmenter
from streamsrv.engines.tts.base import SpeechOptions, Synthesizer
from streamsrv.testing.virtual_loop import Deadlocked, VirtualTimeLoop
from virtual_time import MeasuredScheduler

STEPS = (1, 5, 10, 20, 30, 40, 60)
MAX_GAP_MS = 40
"""A gap between two segments that is longer can be heard."""
STAGGER_S = 0.61
"""Seconds from the first words of one session to those of the next."""


class OneCoreLoop(VirtualTimeLoop):
    """An event loop whose clock runs while this process works, and jumps while it waits: one core, without others.

    Model calls run in the loop itself (`MeasuredScheduler`), so that all work is on that core, one after the other.
    """

    def __init__(self) -> None:
        self._began_s = time.process_time()
        super().__init__()

    def time(self) -> float:
        return super().time() + time.process_time() - self._began_s

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        """Call `func` at once, in the loop."""
        done: asyncio.Future[Any] = self.create_future()
        done.set_result(func(*args))
        return done


@dataclass
class Playback:
    """What the listener of one session heard; times in ms."""

    first_audio_ms: float = 0
    gaps_ms: list[float] = field(default_factory=list[float])
    """For each segment after the first one, how long nothing was left to play before it came."""


async def listen(synthesizer: Synthesizer, text: str, language: str) -> Playback:
    """Speak a long answer, segment by segment, each when less than the look-ahead waits to be played."""
    loop, heard = asyncio.get_running_loop(), Playback()
    asked_s = loop.time()
    play_until_s = 0.0
    segmenter = SpokenSegmenter(language)
    for segment in [*segmenter.feed(text), *segmenter.finish()]:
        if play_until_s:
            await asyncio.sleep(max(0.0, play_until_s - loop.time() - AHEAD_MS / 1000))
        has_spoken = False
        async with aclosing(synthesizer.stream(segment.spoken, SpeechOptions(language=language))) as chunks:
            async for chunk in chunks:
                now_s = loop.time()
                if not play_until_s:
                    heard.first_audio_ms = 1000 * (now_s - asked_s)
                elif not has_spoken:
                    heard.gaps_ms.append(1000 * max(0.0, now_s - play_until_s))
                elif now_s > play_until_s:
                    heard.gaps_ms.append(1000 * (now_s - play_until_s))
                has_spoken = True
                play_until_s = max(now_s, play_until_s) + chunk.pcm.size / synthesizer.sample_rate
    await asyncio.sleep(max(0.0, play_until_s - loop.time()))
    return heard


async def listen_together(synthesizer: Synthesizer, text: str, language: str, sessions: int) -> Sequence[Playback]:
    async def one(number: int) -> Playback:
        await asyncio.sleep(number * STAGGER_S)
        return await listen(synthesizer, text, language)

    return await asyncio.gather(*(one(number) for number in range(sessions)))


def children_cpu_s() -> float:
    """Return the CPU time of the commands that this process has run."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def most_sessions(
    new_synthesizer: Callable[[], Synthesizer], scheduler: MeasuredScheduler, text: str, language: str
) -> dict[str, float]:
    """Return the most sessions at which no listener heard a gap, with the delays at that number.

    Nothing for a synthesiser that does not compute in this process, on `scheduler`.
    """
    found: dict[str, float] = {}
    for sessions in STEPS:
        with asyncio.Runner(loop_factory=OneCoreLoop) as runner:
            try:
                synthesizer = new_synthesizer()
                before_s = children_cpu_s()
                runner.run(synthesizer.warm_up())
                if not scheduler.calls or children_cpu_s() > before_s:
                    return {}
                heard = runner.run(listen_together(synthesizer, text, language, sessions))
            except Deadlocked:  # it waits for another process
                return {}
        longest = max(gap for each in heard for gap in [0.0, *each.gaps_ms])
        if longest > MAX_GAP_MS:
            break
        found = {
            "sessions_per_core": sessions,
            "longest_gap_ms": round(longest, 1),
            "first_audio_then_ms": round(max(each.first_audio_ms for each in heard)),
        }
    return found
