"""Every stream of the recogniser that was opened is closed, whenever it is dropped."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from driven import Driven, driven, tone
from streamsrv.core.effects import DropRecognition, FeedRecognition, FinishRecognition, OpenRecognition, RecognizeClip
from streamsrv.core.inputs import Failure, Input, RecognitionFailed, TranscriptReceived
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, Transcript
from streamsrv.engines.asr.windows.incremental import Hypothesis, IncrementalRecognizer, ThreadedDecoder
from streamsrv.engines.loaded import Engines
from streamsrv.inference.scheduler import Scheduler
from streamsrv.protocol.session_object import Pcm
from streamsrv.runtime import recognitions as module
from streamsrv.runtime.hearing import Hearing
from streamsrv.runtime.recognitions import Recognitions
from streamsrv.testing.fakes import ScriptedRecognizer, fake_engines, open_streams

ANY = RecognitionOptions()
FINAL = Transcript("hello", is_final=True, model="scripted-recognizer")


@pytest.fixture
async def engines() -> AsyncGenerator[Engines]:
    engines = fake_engines()
    yield engines
    assert not open_streams(engines)
    await engines.aclose()


class Ears:
    """A `Hearing` with the tasks it spawned and the inputs it reported."""

    def __init__(self, engines: Engines) -> None:
        self.reported: list[Input] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.hearing = Hearing(engines, self._spawn, self.reported.append)

    def _spawn(self, work) -> "asyncio.Task[None]":
        self.tasks.append(asyncio.ensure_future(work))
        return self.tasks[-1]

    async def end(self) -> None:
        """The session ends: its tasks are cancelled, as the driver does."""
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)
        await self.hearing.aclose()


async def test_one_that_is_dropped_in_the_tick_in_which_it_was_opened(engines: Engines):
    ears = Ears(engines)
    ears.hearing.open(OpenRecognition("item", 0, ANY))
    ears.hearing.drop(DropRecognition("item"))
    assert open_streams(engines)
    await ears.end()
    assert not open_streams(engines)


async def test_a_disconnect_in_the_tick_in_which_it_was_opened(engines: Engines):
    ears = Ears(engines)
    ears.hearing.open(OpenRecognition("item", 0, ANY))
    await ears.end()


async def test_one_that_is_dropped_is_closed_while_the_session_goes_on(engines: Engines):
    ears = Ears(engines)
    ears.hearing.open(OpenRecognition("item", 0, ANY))
    ears.hearing.drop(DropRecognition("item"))
    async with asyncio.timeout(10):
        while open_streams(engines):
            await asyncio.sleep(0)
    await ears.end()


async def test_an_item_that_is_opened_again_after_it_was_dropped_is_heard(engines: Engines):
    ears = Ears(engines)
    for _ in range(2):
        ears.hearing.drop(DropRecognition("item"))
        ears.hearing.open(OpenRecognition("item", 0, ANY))
    await asyncio.sleep(0)
    ears.hearing.finish(FinishRecognition("item"))
    async with asyncio.timeout(10):
        await ears.tasks[1]
    assert ears.reported == [TranscriptReceived("item", FINAL)]
    await ears.end()


async def test_audio_and_a_clear_in_one_segment(engines: Engines):
    """Push-to-talk that is let go: nothing suspends between the two."""
    async with driven(engines) as session:
        session.client.configure(audio={"input": {"turn_detection": None}})
        for _ in range(20):
            session.client.append(tone(300))
            session.client.say("input_audio_buffer.clear")
        for _ in range(20):
            await session.client.until("input_audio_buffer.cleared")
    assert not open_streams(engines)


async def test_a_client_that_leaves_as_soon_as_its_turn_begins(engines: Engines):
    session = Driven(engines)
    session.client.append(tone(300))
    session.client.leave()
    assert await session.outcome() is None


async def test_the_task_of_a_stream_that_was_dropped_at_once_is_not_left_waiting():
    """A real stream has a task of its own."""

    class SilentDecoder:
        max_window_ms = 30_000
        stops = False
        abilities = Abilities(prompt=True)

        def decode(self, samples, options, is_abandoned) -> Hypothesis:
            return Hypothesis("")

    scheduler = Scheduler(1)
    before = asyncio.all_tasks()
    tasks: list[asyncio.Task[None]] = []

    def spawn(work) -> "asyncio.Task[None]":
        tasks.append(asyncio.ensure_future(work))
        return tasks[-1]

    recognitions = Recognitions(spawn, lambda _: None)
    silent = IncrementalRecognizer(ThreadedDecoder(SilentDecoder(), scheduler), "any")
    recognitions.open("item", silent, ANY)
    recognitions.drop("item")
    await asyncio.wait(tasks)
    await recognitions.aclose()
    assert asyncio.all_tasks() == before
    scheduler.close()


class Stubborn(ScriptedRecognizer):
    """Its streams never close."""

    def open(self, options: RecognitionOptions):
        stream = super().open(options)

        async def aclose() -> None:
            await asyncio.get_running_loop().create_future()

        stream.aclose = aclose
        return stream


async def test_a_stream_that_does_not_close_does_not_hold_up_the_end_of_its_session(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(module, "CLOSE_S", 0.01)
    engines = fake_engines(recognizer=Stubborn())
    session = Driven(engines)
    session.client.append(tone(300))
    await session.client.until("input_audio_buffer.speech_started")
    assert await session.leave() is None
    assert "did not close its stream" in caplog.text
    await engines.aclose()


class Crowd(ScriptedRecognizer):
    """Keeps how many streams were open at most."""

    most = 0

    def open(self, options: RecognitionOptions):
        stream = super().open(options)
        self.most = max(self.most, self.open_streams)
        return stream


async def test_clips_open_their_streams_one_by_one():
    recognizer = Crowd()
    engines = fake_engines(recognizer=recognizer)
    ears = Ears(engines)
    audio = tone(2000)
    for number in range(5):
        ears.hearing.recognize_clip(RecognizeClip(f"item_{number}", audio, Pcm(), ANY))
    assert recognizer.open_streams == 0
    async with asyncio.timeout(10):
        while len(ears.reported) < 5:
            await asyncio.sleep(0)
    await ears.end()
    assert sorted(report.item_id for report in ears.reported if isinstance(report, TranscriptReceived)) == [
        f"item_{number}" for number in range(5)
    ]
    assert recognizer.most < 5
    await engines.aclose()


async def test_a_clip_that_is_dropped_before_its_turn_opens_nothing(engines: Engines):
    ears = Ears(engines)
    audio = tone(5000)
    for number in range(2):
        ears.hearing.recognize_clip(RecognizeClip(f"item_{number}", audio, Pcm(), ANY))
    await asyncio.sleep(0)
    ears.hearing.drop(DropRecognition("item_1"))
    async with asyncio.timeout(10):
        while not ears.reported:
            await asyncio.sleep(0)
    await ears.end()
    assert {report.item_id for report in ears.reported if isinstance(report, TranscriptReceived)} == {"item_0"}


async def test_a_clip_whose_recognition_fails_lets_the_next_one_in():
    class FailsFirst(ScriptedRecognizer):
        def open(self, options: RecognitionOptions):
            if options.prompt == "bad":
                raise RuntimeError("boom")
            return super().open(options)

    engines = fake_engines(recognizer=FailsFirst())
    ears = Ears(engines)
    ears.hearing.recognize_clip(RecognizeClip("bad", tone(500), Pcm(), RecognitionOptions(prompt="bad")))
    ears.hearing.recognize_clip(RecognizeClip("good", tone(500), Pcm(), ANY))
    async with asyncio.timeout(10):
        while len(ears.reported) < 2:
            await asyncio.sleep(0)
    assert ears.reported == [
        RecognitionFailed("bad", Failure("unavailable", "The speech recogniser scripted-recognizer failed.")),
        TranscriptReceived("good", FINAL),
    ]
    await ears.end()
    await engines.aclose()


async def test_a_recognition_that_failed_takes_no_more_audio():
    class FailsOnAudio(ScriptedRecognizer):
        pushed = 0

        def open(self, options: RecognitionOptions):
            stream = super().open(options)

            def push(pcm, *, speech: bool = True) -> None:
                self.pushed += 1
                raise RuntimeError("boom")

            stream.push = push
            return stream

    recognizer = FailsOnAudio()
    engines = fake_engines(recognizer=recognizer)
    ears = Ears(engines)
    ears.hearing.open(OpenRecognition("item", 0, ANY))
    for _ in range(3):
        ears.hearing.feed(FeedRecognition("item", speech=True))
    assert recognizer.pushed == 1
    async with asyncio.timeout(10):
        await ears.tasks[0]
    assert [type(report) for report in ears.reported] == [RecognitionFailed]
    await ears.end()
    assert not open_streams(engines)
    await engines.aclose()


class Named(ScriptedRecognizer):
    """Counts its sessions, and gives its name as the text."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
        self.sessions = 0
        self.begun = 0

    def connect(self):
        session = super().connect()
        self.sessions += 1
        self.begun += 1
        session.aclose = self._end
        return session

    async def _end(self) -> None:
        assert not self.open_streams, "its streams are closed before"
        self.sessions -= 1


async def _texts(reported: list[Input]) -> list[str]:
    for _ in range(10):
        await asyncio.sleep(0)
    return [happened.transcript.text for happened in reported if isinstance(happened, TranscriptReceived)]


async def test_a_recogniser_that_is_replaced_ends_after_its_last_stream():
    reported: list[Input] = []
    first, second = Named("first"), Named("second")
    recognitions = Recognitions(asyncio.ensure_future, reported.append)
    recognitions.open("1", first, ANY)
    recognitions.open("2", first, ANY)
    recognitions.open("3", second, ANY)
    recognitions.finish("1")
    recognitions.finish("3")
    assert await _texts(reported) == ["first", "second"]
    assert (first.sessions, first.begun, second.sessions) == (1, 1, 1)
    recognitions.finish("2")
    assert await _texts(reported) == ["first", "second", "first"]
    assert (first.sessions, second.sessions) == (0, 1)
    recognitions.open("4", second, ANY)
    assert second.begun == 1
    recognitions.drop("4")
    await _texts([])
    await recognitions.aclose()
    assert second.sessions == 0


async def test_a_recogniser_that_is_chosen_again_goes_on_with_its_session():
    first, second = Named("first"), Named("second")
    recognitions = Recognitions(asyncio.ensure_future, lambda _: None)
    recognitions.open("1", first, ANY)
    recognitions.open("2", second, ANY)
    recognitions.finish("2")
    recognitions.open("3", first, ANY)
    await _texts([])
    assert (first.begun, first.sessions, second.sessions) == (1, 1, 0)
    for item_id in ("1", "3"):
        recognitions.drop(item_id)
    await _texts([])
    await recognitions.aclose()
    assert (first.sessions, second.sessions) == (0, 0)


class SilentOnLanguage(ScriptedRecognizer):
    """A fake that does not tell the language of its transcripts."""

    def __init__(self, *languages: str) -> None:
        super().__init__("no")
        self._languages = frozenset(languages)

    @property
    def abilities(self) -> Abilities:
        return Abilities(languages=self._languages)


@pytest.mark.parametrize(("languages", "told"), [(("it",), "it"), (("it", "es"), None), ((), None)])
async def test_the_only_language_of_a_recogniser_is_that_of_its_transcripts(
    languages: tuple[str, ...], told: str | None
):
    reported: list[Input] = []
    recognitions = Recognitions(asyncio.ensure_future, reported.append)
    recognitions.open("item", SilentOnLanguage(*languages), ANY)
    recognitions.finish("item")
    while not reported:
        await asyncio.sleep(0)
    await recognitions.aclose()
    match reported:
        case [*_, TranscriptReceived(transcript=transcript)]:
            assert transcript.language == told
        case _:
            raise AssertionError(reported)
