"""Speaking with a cloned voice whose recording is there, is gone, or goes while it is asked for."""

from collections.abc import AsyncGenerator
from pathlib import Path

from streamsrv.engines.tts.base import ReferenceVoice, SpeechChunk, SpeechOptions, SpokenBy, Voice
from streamsrv.engines.tts.failover.synthesizer import FallbackSynthesizer
from streamsrv.errors import Rejected
from streamsrv.testing.fakes import ToneSynthesizer


class FakeCloner(ToneSynthesizer):
    """Speaks with the voice of a recording, which it reads; `loses`: the recording is deleted just before."""

    name = "cloner"
    voices = (Voice("built-in"),)
    clones_voices = True
    loses = False

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        if options.reference is not None:
            if self.loses:
                options.reference.recording.unlink()
            try:
                options.reference.recording.read_bytes()
            except OSError as error:
                raise Rejected("the recording cannot be read") from error
        async for chunk in super().stream(text, options):
            yield chunk


async def spoken_by(synthesizer: FallbackSynthesizer, recording: Path) -> set[SpokenBy | None]:
    options = SpeechOptions("voice_1", ReferenceVoice("voice_1", recording))
    return {chunk.spoken_by async for chunk in synthesizer.stream("One two three.", options)}


def recorded(folder: Path) -> Path:
    (folder / "recording.wav").write_bytes(b"a recording")
    return folder / "recording.wav"


async def test_the_synthesizer_that_clones_speaks_and_the_voice_is_named(tmp_path: Path):
    synthesizer = FallbackSynthesizer({"": [ToneSynthesizer(), FakeCloner()]})
    assert await spoken_by(synthesizer, recorded(tmp_path)) == {SpokenBy("cloner", "voice_1")}


async def test_a_voice_whose_recording_was_deleted_is_replaced_by_the_default_one(tmp_path: Path):
    synthesizer = FallbackSynthesizer({"": [ToneSynthesizer(), FakeCloner()]})
    assert await spoken_by(synthesizer, tmp_path / "deleted.wav") == {SpokenBy("tone", "tone")}


async def test_a_recording_that_goes_while_it_is_asked_for_is_no_fault_of_the_caller(tmp_path: Path):
    cloner = FakeCloner()
    cloner.loses = True
    synthesizer = FallbackSynthesizer({"": [ToneSynthesizer(), cloner]})
    assert await spoken_by(synthesizer, recorded(tmp_path)) == {SpokenBy("tone", "tone", "cloner")}
