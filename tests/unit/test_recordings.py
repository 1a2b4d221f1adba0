import numpy as np
import pytest

from streamsrv.engines.asr.base import RecognitionOptions, StatelessSession, Transcript, Word
from streamsrv.engines.asr.recordings import recognize_recording
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.fakes import LoudnessVad

LOUD = np.full(16_000, 8000, np.int16)
QUIET = np.zeros(16_000, np.int16)


class CountingRecognizer:
    """Hears one word in all that is pushed, as long as the frames marked as speech."""

    name = "counting"

    def __init__(self, text: str = "word") -> None:
        self.text = text
        self.pushed = 0
        self.closed = 0

    def connect(self) -> StatelessSession:
        return StatelessSession(self.open)

    def open(self, options: RecognitionOptions) -> "CountingRecognizer":
        self.samples = self.speech = 0
        return self

    def push(self, pcm: np.ndarray, *, speech: bool = True) -> None:
        self.samples += len(pcm)
        self.speech += len(pcm) if speech else 0

    def finish(self) -> None: ...

    async def __aiter__(self):
        yield Transcript("", tentative="w")
        words = (Word(self.text, 10, self.speech // 16),) if self.text else ()
        yield Transcript(self.text, words=words, language="en", is_final=True)

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None:
        self.closed += 1


async def recognize(pcm: np.ndarray, recognizer: CountingRecognizer):
    scheduler = Scheduler(1)
    try:
        found = recognize_recording(pcm, recognizer, LoudnessVad(), scheduler, RecognitionOptions())
        return [utterance async for utterance in found]
    finally:
        scheduler.close()


async def test_times_count_from_the_start_of_the_recording():
    recognizer = CountingRecognizer()
    first, second = await recognize(np.concatenate([QUIET, LOUD, QUIET, LOUD]), recognizer)
    assert (first.text, first.language) == ("word", "en")
    # Frames of 32 ms: the speech from 1000 to 2000 ms touches those from 992 to 2016 ms, with 320 ms before them.
    assert first.words == (Word("word", 682, 672 + 1024),)
    assert (first.start_ms, first.end_ms) == (672, 2016 + 704)
    assert second.words[0].start_ms == second.start_ms + 10
    assert second.start_ms == 2720
    assert recognizer.closed == 2


async def test_the_last_part_of_a_frame_is_heard():
    recognizer = CountingRecognizer()
    await recognize(LOUD[:15_900], recognizer)
    assert (recognizer.samples, recognizer.speech) == (15_900, 15_900)


async def test_utterances_without_words_are_left_out():
    assert await recognize(np.concatenate([LOUD, QUIET, LOUD]), CountingRecognizer("")) == []


@pytest.mark.parametrize("pcm", [QUIET, QUIET[:100], QUIET[:0]])
async def test_silence_is_not_recognised(pcm: np.ndarray):
    recognizer = CountingRecognizer()
    assert await recognize(pcm, recognizer) == []
    assert recognizer.closed == 0


async def test_a_recogniser_that_fails_is_closed():
    class FailingRecognizer(CountingRecognizer):
        """Fails instead of hearing anything."""

        def finish(self) -> None:
            raise Unavailable("gone")

    recognizer = FailingRecognizer()
    with pytest.raises(Unavailable):
        await recognize(LOUD, recognizer)
    assert recognizer.closed == 1
