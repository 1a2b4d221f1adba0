"""The stock `openai` package and the voices: one is cloned from recorded speech, spoken with, and deleted."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import numpy as np
import openai
import pytest
from openai import AsyncOpenAI

from recordings import recording
from serving import serving
from streamsrv.audio.encoding import AudioEncoding, open_encoder
from streamsrv.audio.files import read_audio, wav
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions
from streamsrv.engines.vad.base import Vad
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.fakes import ToneSynthesizer, fake_engines

SPEECH = Path(__file__).parents[2] / "fixtures" / "korean_hotel_booking.flac"


class EchoingFake(ToneSynthesizer):
    """Says in the voice of a recording what the recording says."""

    clones_voices = True

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        if options.reference is not None:
            yield SpeechChunk(read_audio(options.reference.recording, self.sample_rate))
        else:
            async for chunk in super().stream(text, options):
                yield chunk


@pytest.fixture(scope="module")
def vad() -> Vad:
    entry, store = load_catalogue()["silero"], ModelStore()
    if lacking := needs(entry, store):
        pytest.skip(f"silero is not ready: {'; '.join(map(str, lacking))}")
    return load_engine(entry, LoadContext(Scheduler(1), store.locate(entry)))


@pytest.fixture
async def client(vad: Vad, tmp_path: Path) -> AsyncGenerator[AsyncOpenAI]:
    engines = replace(fake_engines(synthesizer=EchoingFake()), vad=vad)
    with serving(engines, api_keys="sk-1", voice_folder=tmp_path) as server:
        async with AsyncOpenAI(base_url=server.http_url, api_key="sk-1", max_retries=0) as client:
            yield client


async def test_a_voice_is_cloned_from_recorded_speech_spoken_with_and_deleted(client: AsyncOpenAI) -> None:
    said = read_audio(SPEECH, 24_000)
    with SPEECH.open("rb") as file:
        voice = await client.audio.voices.create(audio_sample=file, consent="true", name="Anna")
    assert (voice.object, voice.type, voice.name) == ("audio.voice", "audio_sample", "Anna")
    speech = await client.audio.speech.create(
        model="tts-1", voice={"id": voice.id}, input="Hello.", response_format="pcm"
    )
    heard = np.frombuffer(await speech.aread(), "<i2")
    assert 7 * 24_000 < len(heard) <= len(said)
    assert np.abs(heard.astype(int)).max() == pytest.approx(0.7 * 32_768, rel=0.01)
    deleted = await client.audio.voices.delete(voice.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (voice.id, "audio.voice.deleted", True)
    with pytest.raises(openai.NotFoundError):
        await client.audio.voices.delete(voice.id)


@pytest.mark.parametrize("encoding", ["mp3", "opus", "aac"])
async def test_people_who_read_aloud_are_accepted_in_every_format(client: AsyncOpenAI, encoding: AudioEncoding) -> None:
    encoder = open_encoder(encoding)
    sample = encoder.encode(read_audio(recording("beckett.wav"), 24_000)) + encoder.finish()
    await client.audio.voices.create(audio_sample=sample, consent="true", name="Reader")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda pcm: pcm[: 5 * 24_000], "too short"),
        (lambda pcm: np.tile(pcm, 5), "too long"),
        (lambda pcm: np.clip(pcm.astype(int) * 6, -32_768, 32_767), "clipped"),
        (lambda pcm: np.clip(pcm.astype(int) * 6, -32_768, 32_767) * 0.6, "clipped"),
        (lambda pcm: pcm // 300, "too quiet"),
        (lambda pcm: np.random.default_rng(1).integers(-2000, 2000, len(pcm)), "no speech"),
        (lambda pcm: 8000 * np.sin(np.arange(len(pcm)) * 0.1), "no speech"),
    ],
    ids=["short", "long", "clipped", "clipped and quieter", "quiet", "noise", "tone"],
)
async def test_recorded_speech_that_makes_no_good_voice_is_refused(client: AsyncOpenAI, change, said: str) -> None:
    changed = np.asarray(change(read_audio(SPEECH, 24_000))).astype(np.int16)
    with pytest.raises(openai.BadRequestError, match=said):
        await client.audio.voices.create(audio_sample=wav(changed, 24_000), consent="true", name="Anna")
