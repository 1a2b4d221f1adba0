"""ChatTTS through its own loading and streaming code, with a tiny model of random weights; run by `.ci/torch`.

What it speaks is noise. Its real weights were never here.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from streamsrv.audio.files import write_wav
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.tts.base import ReferenceVoice, SpeechOptions
from streamsrv.engines.tts.process.synthesizer import ProcessSynthesizer
from streamsrv.errors import EngineError, Unavailable
from streamsrv.inference.scheduler import Scheduler

if find_spec("ChatTTS") is None:
    pytest.skip("needs streamsrv[chattts]; .ci/torch runs these tests", allow_module_level=True)

import tiny_chattts
import torch

from streamsrv.engines.tts.chattts import load
from streamsrv.engines.tts.chattts_model.loop import ChatTTSLoop, open_loop
from streamsrv.engines.tts.process.messages import Broken, Ended, Load, Speak, Spoken

pytestmark = pytest.mark.asyncio(loop_scope="module")

TINY = ModelEntry("tiny", "synthesizer", "chattts", languages=("en", "zh"), requires=("ChatTTS", "torch"))
LOAD_S = 600
"""Seconds that the packages may take to be imported on a machine that is busy."""
HELLO = "hello there, how are you."
RATE = 24_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_chattts.make(tmp_path_factory.mktemp("chattts"))


def settings(folder: Path, **changed: Any) -> dict[str, Any]:
    return {"folder": str(folder), "is_verified": False, "device": "cpu", "seeds": [1, 2], **changed}


@pytest.fixture(scope="module")
def tiny_loop(folder: Path) -> ChatTTSLoop:
    """The model in the process of the test."""
    return open_loop(Load("streamsrv.engines.tts.chattts_model.loop", "tiny", settings(folder), {}))


def loaded(folder: Path, **options: Any) -> ProcessSynthesizer:
    entry = replace(TINY, options={"model": str(folder), "device": "cpu", "seeds": [1, 2], **options})
    return load(entry, LoadContext(Scheduler(0), {}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def synthesizer(folder: Path) -> AsyncIterator[ProcessSynthesizer]:
    """The model in a process of its own."""
    synthesizer = loaded(folder)
    async with asyncio.timeout(LOAD_S):
        await synthesizer.warm_up()
    yield synthesizer
    await synthesizer.aclose()


def run(loop: ChatTTSLoop, text: str, **request: Any) -> list[NDArray[np.int16]]:
    """Speak a text in the process of the test; return its pieces."""
    loop.begin(Speak(1, text, **{"voice": "", "language": "en", "speed": 1.0, **request}))
    told = []
    while not loop.is_idle:
        told += loop.step()
    assert told[-1] == Ended(1)
    assert all(isinstance(message, Spoken) for message in told[:-1])
    return [np.frombuffer(message.pcm, np.int16) for message in told[:-1]]


async def speak(synthesizer: ProcessSynthesizer, text: str, **options: Any) -> NDArray[np.int16]:
    async with asyncio.timeout(LOAD_S), aclosing(synthesizer.stream(text, SpeechOptions(**options))) as chunks:
        return np.concatenate([np.empty(0, np.int16), *[chunk.pcm async for chunk in chunks]])


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    noise = np.random.default_rng(0).normal(0, 3000, 7 * RATE).astype(np.int16)
    write_wav(path, noise, RATE)
    return path


class TestLoop:
    """The model itself."""

    async def test_it_says_what_it_is(self, tiny_loop: ChatTTSLoop):
        said = tiny_loop.loaded
        assert [voice.name for voice in said.voices] == ["seed-1", "seed-2"]
        assert said.voices[0].languages == ["en", "zh"]
        assert (said.sample_rate, said.streams, said.clones_voices, said.device) == (RATE, 1, True, "cpu")

    async def test_pieces_come_every_twelve_tokens_from_the_first_ones_on(self, tiny_loop: ChatTTSLoop):
        pieces = run(tiny_loop, HELLO)
        assert len(pieces) > 3
        assert pieces[0].size == 8 * 512 - 256  # four tokens are held back, and the vocoder ends half a token early
        assert {piece.size for piece in pieces[1:-1]} == {12 * 512}

    async def test_the_pieces_are_the_audio_that_is_decoded_at_once(self, tiny_loop: ChatTTSLoop):
        """But for where a piece ends, because the vocoder then has not heard what follows."""
        found = np.concatenate(run(tiny_loop, HELLO)).astype(float)
        at_once = decoded_at_once(tiny_loop, HELLO)
        assert found.size == at_once.size
        difference = np.abs(found - at_once)
        assert np.sqrt(np.mean(difference**2)) < 0.1 * np.sqrt(np.mean(at_once**2))
        assert np.median(difference) <= 1

    async def test_a_text_is_always_the_same_audio_and_a_voice_is_another_one(self, tiny_loop: ChatTTSLoop):
        first, again, other = (
            np.concatenate(run(tiny_loop, HELLO, voice=voice)).tobytes() for voice in ("seed-1", "seed-1", "seed-2")
        )
        assert first == again
        assert first != other
        assert np.concatenate(run(tiny_loop, HELLO, voice="nobody")).tobytes() == first

    async def test_a_recording_is_a_voice_too(self, tiny_loop: ChatTTSLoop, recording: Path):
        cloned = np.concatenate(run(tiny_loop, HELLO, reference=str(recording), reference_id="me")).tobytes()
        assert cloned != np.concatenate(run(tiny_loop, HELLO)).tobytes()
        assert cloned == np.concatenate(run(tiny_loop, HELLO, reference=str(recording), reference_id="me")).tobytes()

    async def test_a_recording_that_is_gone_breaks_only_its_segment(self, tiny_loop: ChatTTSLoop, tmp_path: Path):
        with pytest.raises(ValueError, match="the recording of the voice cannot be used"):
            run(tiny_loop, HELLO, reference=str(tmp_path / "gone.wav"), reference_id="gone")
        assert tiny_loop.is_idle
        assert run(tiny_loop, HELLO)

    async def test_a_cancelled_segment_is_dropped_before_the_next_step(self, tiny_loop: ChatTTSLoop):
        expected = run(tiny_loop, HELLO)
        tiny_loop.begin(Speak(7, "hello " * 40, "", "en", 1.0))
        tiny_loop.step()
        tiny_loop.cancel(6)
        assert not tiny_loop.is_idle
        tiny_loop.cancel(7)
        assert tiny_loop.is_idle
        assert tiny_loop.step() == []
        assert b"".join(map(bytes, run(tiny_loop, HELLO))) == b"".join(map(bytes, expected))

    async def test_speed_changes_the_length(self, tiny_loop: ChatTTSLoop):
        natural, slow, fast = (np.concatenate(run(tiny_loop, HELLO, speed=speed)).size for speed in (1.0, 0.5, 2.0))
        assert slow / natural == pytest.approx(2, rel=0.02)
        assert fast / natural == pytest.approx(0.5, rel=0.02)

    async def test_tags_and_chinese_are_spoken_and_a_text_without_words_is_silent(self, tiny_loop: ChatTTSLoop):
        assert run(tiny_loop, "[laugh] hello [uv_break] there.")
        assert run(tiny_loop, "你好。", language="zh")
        assert np.concatenate([*run(tiny_loop, "[laugh] ..."), np.empty(0, np.int16)]).size == 0

    @pytest.mark.parametrize("text", ["", " \n", "...", "?!", "😀", "\u200b", "\ud800"])
    async def test_nothing_to_say_is_no_audio(self, tiny_loop: ChatTTSLoop, text: str):
        assert sum(piece.size for piece in run(tiny_loop, text)) == 0

    @pytest.mark.parametrize("text", ["zqxjkv", "a" * 500, "1/0 [x](/y/) {} \\ \x00", "é" * 40, "[[laugh] [spk_emb]"])
    async def test_odd_text_is_spoken_or_nothing_to_say(self, tiny_loop: ChatTTSLoop, text: str):
        tiny_loop.begin(Speak(9, text, "", "en", 1.0))
        assert not any(isinstance(message, Broken) for message in tiny_loop.step())
        tiny_loop.cancel(9)

    async def test_what_the_model_raises_breaks_only_its_segment(
        self, tiny_loop: ChatTTSLoop, monkeypatch: pytest.MonkeyPatch
    ):
        def fail(*_: object) -> None:
            raise torch.OutOfMemoryError("no memory left")

        with monkeypatch.context() as patched:
            patched.setattr(tiny_loop._chat, "_decode_to_wavs", fail)
            tiny_loop.begin(Speak(3, HELLO, "", "en", 1.0))
            assert tiny_loop.step() == [Broken(3, "OutOfMemoryError: no memory left")]
        assert tiny_loop.is_idle
        assert run(tiny_loop, HELLO)

    async def test_audio_that_does_not_end_is_bounded_by_the_text(
        self, tiny_loop: ChatTTSLoop, monkeypatch: pytest.MonkeyPatch
    ):
        head = tiny_loop._chat.gpt.head_code

        def never_ends(layer: Any) -> Any:
            def logits(hidden: Any) -> Any:
                found = layer(hidden)
                found[..., -1] = -torch.inf  # the last code ends the speech
                return found

            return logits

        monkeypatch.setattr(tiny_loop._chat.gpt, "head_code", [never_ends(layer) for layer in head])
        assert sum(piece.size for piece in run(tiny_loop, "hello.")) < 10 * RATE


def decoded_at_once(loop: ChatTTSLoop, text: str) -> NDArray[np.float64]:
    """What ChatTTS's own `infer` makes of a text in one piece, with the voice and the random numbers of the loop."""
    chat = loop._chat
    torch.manual_seed(0)
    parameters = chat.InferCodeParams(
        spk_emb=loop._speakers["seed-1"], show_tqdm=False, max_new_token=64 + 8 * len(text)
    )
    results = chat._infer_code([text], False, chat.device, True, parameters)
    wave = chat._decode_to_wavs(next(results).hiddens, True)[0]
    return np.clip(np.rint(wave * 32768.0), -32768, 32767)


class TestProcess:
    """The model in a process of its own, as the server uses it."""

    async def test_it_is_another_process_without_the_package_here(self, synthesizer: ProcessSynthesizer):
        assert synthesizer.pids[0] != os.getpid()
        assert [voice.name for voice in synthesizer.voices] == ["seed-1", "seed-2"]
        assert synthesizer.clones_voices

    async def test_it_speaks_as_the_loop_does(self, synthesizer: ProcessSynthesizer, tiny_loop: ChatTTSLoop):
        expected = np.concatenate(run(tiny_loop, HELLO, voice="seed-2"))
        np.testing.assert_array_equal(await speak(synthesizer, HELLO, voice="seed-2"), expected)

    async def test_several_segments_follow_one_another(self, synthesizer: ProcessSynthesizer):
        alone = [await speak(synthesizer, text) for text in (HELLO, "good bye.")]
        together = await asyncio.gather(*(speak(synthesizer, text) for text in (HELLO, "good bye.", HELLO)))
        for found, expected in zip(together, [*alone, alone[0]], strict=True):
            np.testing.assert_array_equal(found, expected)

    async def test_a_cancelled_segment_frees_the_process(self, synthesizer: ProcessSynthesizer):
        async with aclosing(synthesizer.stream("hello " * 60, SpeechOptions())) as chunks:
            assert (await anext(chunks)).pcm.size
        assert (await speak(synthesizer, HELLO)).size

    @pytest.mark.parametrize("text", ["a\ud800b", "ᚠᚢᚦ", "\x00"])
    async def test_characters_that_it_cannot_speak_do_no_harm(self, synthesizer: ProcessSynthesizer, text: str):
        await speak(synthesizer, text)
        assert (await speak(synthesizer, "good bye.")).size

    async def test_a_recording_is_a_voice(self, synthesizer: ProcessSynthesizer, recording: Path):
        assert (await speak(synthesizer, HELLO, reference=ReferenceVoice("me", recording))).size
        with pytest.raises(EngineError, match="the recording of the voice cannot be used"):
            await speak(synthesizer, HELLO, reference=ReferenceVoice("gone", recording.with_name("gone.wav")))

    async def test_a_killed_process_fails_its_segment_and_the_next_one_works(self, synthesizer: ProcessSynthesizer):
        """The last test of this process, because the next one takes long to start."""
        with pytest.raises(Unavailable):
            async with asyncio.timeout(LOAD_S), aclosing(synthesizer.stream("hello " * 60, SpeechOptions())) as chunks:
                async for _ in chunks:
                    os.kill(synthesizer.pids[0], signal.SIGKILL)
        async with asyncio.timeout(LOAD_S):
            await synthesizer.warm_up()
        assert (await speak(synthesizer, HELLO)).size


class TestFiles:
    """Files that cannot be used."""

    async def test_a_folder_that_lacks_files_is_refused_before_a_process_starts(self, tmp_path: Path):
        with pytest.raises(Unavailable, match=r"it lacks asset/Decoder\.safetensors, .*tokenizer\.json"):
            loaded(tmp_path)

    async def test_an_entry_without_weights_needs_a_folder(self):
        with pytest.raises(Unavailable, match="its option `model` must name a folder"):
            load(TINY, LoadContext(Scheduler(0), {}))

    async def test_a_truncated_file_is_refused_with_its_reason(self, folder: Path, tmp_path: Path):
        broken = shutil.copytree(folder, tmp_path / "broken")
        weights = broken / "asset" / "Vocos.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
        with pytest.raises(Exception, match=r"[Ss]afetensor|header|incomplete"):
            open_loop(Load("", "tiny", settings(broken), {}))

    async def test_published_weights_are_compared_with_the_hashes_of_the_package(self, folder: Path):
        with pytest.raises(ValueError, match=r"these files are not those .*: asset/Decoder\.safetensors"):
            open_loop(Load("", "tiny", settings(folder, is_verified=True), {}))

    async def test_the_catalogue_has_the_hashes_that_the_package_checks(self):
        import ChatTTS

        known = ChatTTS.Chat().sha256_map
        entry = load_catalogue()["chattts"]
        stated = {f"sha256_{file.path.replace('/', '_').replace('.', '_')}": file.sha256 for file in entry.weights}
        assert stated == known
