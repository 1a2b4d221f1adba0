"""Synthesisers in processes of their own, with a fake model: streaming, cancel, places, faults."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamsrv.engines.tts.base import ReferenceVoice, SpeechOptions, Voice
from streamsrv.engines.tts.process import synthesizer as process_synthesizer
from streamsrv.engines.tts.process.messages import Load, Loaded, LoadedVoice
from streamsrv.engines.tts.process.synthesizer import ProcessSynthesizer
from streamsrv.errors import Overloaded, Rejected, Unavailable
from streamsrv.processes import back_off

PATIENCE_S = 30
WORD = 2400


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(back_off, "FIRST_DELAY_S", 0.01)


@asynccontextmanager
async def opened(processes: int = 1, **options: Any) -> AsyncIterator[ProcessSynthesizer]:
    load = Load("fake_speech_loop", "fake", options, {})
    synthesizer = ProcessSynthesizer(load, name="fake", processes=processes)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield synthesizer
    finally:
        await synthesizer.aclose()


async def speak(synthesizer: ProcessSynthesizer, text: str, options: SpeechOptions | None = None) -> np.ndarray:
    chunks = [chunk.pcm async for chunk in synthesizer.stream(text, options or SpeechOptions())]
    return np.concatenate(chunks)


async def restarted(synthesizer: ProcessSynthesizer, count: int = 1) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len([p for p in synthesizer._processes if p.kept.ready is not None]) < count:
            await asyncio.sleep(0.01)


async def test_it_speaks_and_says_what_the_model_can():
    async with opened() as synthesizer:
        await synthesizer.warm_up()
        assert (synthesizer.sample_rate, synthesizer.min_speed, synthesizer.max_speed) == (24_000, 0.5, 2.0)
        assert synthesizer.voices[0] == Voice("fake", frozenset({"en"}), "no real voice", "female")
        assert synthesizer.clones_voices
        chunks = [chunk async for chunk in synthesizer.stream("one two three", SpeechOptions())]
        assert [word.text for chunk in chunks for word in chunk.words] == ["one", "two", "three"]
        assert sum(len(chunk.pcm) for chunk in chunks) == 3 * WORD


async def test_its_voices_speak_only_the_languages_of_the_settings():
    load = Load("fake_speech_loop", "fake", {}, {})
    synthesizer = ProcessSynthesizer(load, name="fake", languages=["de", "fr"])
    voices = [LoadedVoice("some", ["en", "de"]), LoadedVoice("any", []), LoadedVoice("other", ["en"])]
    synthesizer.describe(Loaded(24_000, voices, 1.0, 1.0, False, 1, "cpu"))
    assert [sorted(voice.languages) for voice in synthesizer.voices] == [["de"], ["de", "fr"], ["en"]]


async def test_the_first_segment_waits_until_the_model_is_loaded():
    async with opened() as synthesizer:
        assert len(await speak(synthesizer, "one two")) == 2 * WORD


async def test_options_reach_the_model():
    async with opened() as synthesizer:
        options = SpeechOptions("fake", ReferenceVoice("ref", Path("/a.wav")), 1.5, "de")
        with pytest.raises(Rejected, match=r"^fake de 1\.5 ref /a\.wav$"):
            await speak(synthesizer, "options", options)


async def test_half_a_character_does_not_break_the_link():
    """Texts of JSON can hold halves of surrogate pairs, which cannot be sent."""
    async with opened() as synthesizer:
        assert (await speak(synthesizer, "a\ud800b")).size
        assert (await speak(synthesizer, "again")).size


async def test_audio_comes_while_the_model_still_speaks_and_a_closed_stream_frees_its_place():
    async with opened(streams=1) as synthesizer:
        for _ in range(3):
            async with aclosing(synthesizer.stream("forever", SpeechOptions())) as chunks:
                assert len((await anext(chunks)).pcm) == WORD
        assert len(await speak(synthesizer, "one")) == WORD


async def test_segments_wait_for_a_place_in_their_order():
    async with opened(streams=2) as synthesizer:
        await synthesizer.warm_up()
        done: list[int] = []

        async def one(number: int) -> None:
            assert len(await speak(synthesizer, " ".join(["slowly"] * 4))) == 4 * WORD
            done.append(number)

        await asyncio.gather(*map(one, range(6)))
        assert [number // 2 for number in done] == [0, 0, 1, 1, 2, 2]


async def test_too_many_that_wait_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process_synthesizer, "MAX_WAITING_PER_STREAM", 1)
    async with opened(streams=1) as synthesizer:
        await synthesizer.warm_up()
        async with aclosing(synthesizer.stream("forever", SpeechOptions())) as first:
            await anext(first)
            second = asyncio.create_task(speak(synthesizer, "two"))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded, match="1 segments waiting"):
                await speak(synthesizer, "three")
        assert len(await second) == WORD


async def test_whoever_stops_waiting_takes_no_place():
    async with opened(streams=1) as synthesizer:
        await synthesizer.warm_up()
        async with aclosing(synthesizer.stream("forever", SpeechOptions())) as first:
            await anext(first)
            waiting = [asyncio.create_task(speak(synthesizer, "two")) for _ in range(3)]
            await asyncio.sleep(0)
            waiting[0].cancel()
        waiting[1].cancel()  # its place is free now, and it does not know yet
        assert len(await waiting[2]) == WORD
        assert [task.cancelled() for task in waiting] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ("refuse", Rejected, r"^it has no words$"),
        ("break", Unavailable, r"^fake failed: RuntimeError: out of memory$"),
        ("one odd", Unavailable, r"^fake failed: its audio is not of whole samples$"),
    ],
)
async def test_a_segment_that_breaks_costs_no_other_one(text: str, error: type[Exception], reason: str):
    async with opened() as synthesizer:
        await synthesizer.warm_up()
        pids = synthesizer.pids
        other = asyncio.create_task(speak(synthesizer, "slowly slowly slowly"))
        with pytest.raises(error, match=reason):
            await speak(synthesizer, text)
        assert len(await other) == 3 * WORD
        assert synthesizer.pids == pids


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("one die", "The process of fake has ended; another one starts"),
        ("one crash", "fake failed: RuntimeError: the model is broken"),
        ("one leave", "fake failed: SystemExit"),
    ],
)
async def test_a_process_that_ends_fails_its_segments_and_is_replaced(text: str, reason: str):
    async with opened() as synthesizer:
        await synthesizer.warm_up()
        pids = synthesizer.pids
        with pytest.raises(Unavailable, match=reason):
            await speak(synthesizer, text)
        await restarted(synthesizer)
        assert synthesizer.pids != pids
        assert len(await speak(synthesizer, "one")) == WORD


async def test_killed_again_and_again_it_comes_back_and_nobody_waits_for_ever():
    async with opened(streams=1) as synthesizer:
        for _ in range(4):
            await restarted(synthesizer) if synthesizer.pids else await synthesizer.warm_up()
            async with aclosing(synthesizer.stream("forever", SpeechOptions())) as chunks:
                await anext(chunks)
                waiting = asyncio.create_task(speak(synthesizer, "two"))
                await asyncio.sleep(0)
                os.kill(synthesizer.pids[0], signal.SIGKILL)
                with pytest.raises(Unavailable):
                    async for _ in chunks:
                        pass
            with pytest.raises(Unavailable):
                await waiting
        await restarted(synthesizer)
        assert len(await speak(synthesizer, "one")) == WORD


async def test_a_step_that_hangs_ends_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text("from streamsrv.processes import model_worker as w; w.MAX_STEP_S = 1.0")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parent}")
    async with opened() as synthesizer:
        with pytest.raises(Unavailable, match="another one starts"):
            await speak(synthesizer, "one hang")


async def test_a_segment_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process_synthesizer, "MAX_UNREAD_S", 1)
    async with opened() as synthesizer:
        async with aclosing(synthesizer.stream("forever", SpeechOptions())) as chunks:
            await anext(chunks)
            while synthesizer._processes[0].speeches:
                await asyncio.sleep(0.01)
            with pytest.raises(Unavailable, match="a segment is longer than 1 s"):
                async for _ in chunks:
                    pass
        assert len(await speak(synthesizer, "one")) == WORD


async def test_long_chunks_are_cut():
    async with opened() as synthesizer:
        chunks = [chunk async for chunk in synthesizer.stream("long", SpeechOptions())]
        assert [len(chunk.pcm) for chunk in chunks] == [24_000, 24_000, 12_000]
        assert [len(chunk.words) for chunk in chunks] == [1, 0, 0]
        chunks[0].pcm[0] += 1  # receivers may change it


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fails": "no weights"}, "fake could not be loaded: ValueError: no weights"),
        ({"dies": True}, "fake could not be loaded: its process has ended"),
    ],
)
async def test_a_model_that_cannot_be_loaded_is_unavailable(options: dict[str, Any], reason: str):
    async with opened(**options) as synthesizer:
        for _ in range(2):
            with pytest.raises(Unavailable, match=reason):
                await synthesizer.warm_up()
        with pytest.raises(Unavailable, match=reason):
            await speak(synthesizer, "one")
        assert synthesizer.pids == []


async def test_several_processes_share_the_segments_and_one_is_enough():
    async with opened(processes=2, streams=1) as synthesizer:
        await synthesizer.warm_up()
        async with (
            aclosing(synthesizer.stream("forever", SpeechOptions())) as first,
            aclosing(synthesizer.stream("forever", SpeechOptions())) as second,
        ):
            await anext(first), await anext(second)
            os.kill(synthesizer._processes[0].kept.pid or 0, signal.SIGKILL)
            with pytest.raises(Unavailable):
                async for _ in first:
                    pass
            assert len((await anext(second)).pcm) == WORD
        assert len(await speak(synthesizer, "one")) == WORD


async def test_closing_ends_segments_and_processes():
    async with opened() as synthesizer:
        await synthesizer.warm_up()
        (pid,) = synthesizer.pids
        chunks = synthesizer.stream("forever", SpeechOptions())
        await anext(chunks)
        await synthesizer.aclose()
        with pytest.raises(Unavailable, match="fake is closed"):
            async for _ in chunks:
                pass
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(Unavailable, match="fake is closed"):
            await speak(synthesizer, "one")
        with pytest.raises(Unavailable, match="fake is closed"):
            await synthesizer.warm_up()


async def test_closing_while_the_model_loads_leaves_no_process():
    async with opened() as synthesizer:
        warming = asyncio.create_task(synthesizer.warm_up())
        while not synthesizer.pids:
            await asyncio.sleep(0)
        (pid,) = synthesizer.pids
        await synthesizer.aclose()
        with pytest.raises(Unavailable, match="fake is closed"):
            await warming
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
