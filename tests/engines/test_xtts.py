"""XTTS's serving loop against the model's own class, with a tiny model of random weights; run by `.ci/torch`."""

import wave
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_xtts import LANGUAGES, SPEAKERS, files_of, make_tiny_xtts, narrow_vocoder, options

from streamsrv.audio.files import read_audio
from streamsrv.engines.tts.process.messages import Broken, Ended, Speak, Spoken
from streamsrv.errors import Rejected

if find_spec("TTS") is None:
    pytest.skip("needs streamsrv[xtts]; .ci/torch runs these tests", allow_module_level=True)

torch: Any = import_module("torch")
loading: Any = import_module("streamsrv.engines.tts.xtts_model.loading")
loops: Any = import_module("streamsrv.engines.tts.xtts_model.loop")
frames: Any = import_module("streamsrv.engines.tts.xtts_model.frames")
gpts: Any = import_module("streamsrv.engines.tts.xtts_model.gpt")

TEXTS = ("hello world, this is a tiny test.", "yes.", "one two three four five six seven eight nine ten")
FIRST, SECOND, _ = SPEAKERS
ROUNDING = 1 / 65536 + 2e-6
"""Largest difference of audio in int16 from the same in float32."""
RECORDING = Path(__file__).parents[2] / "fixtures" / "is_the_front_door_locked.flac"
STREAMS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with narrow_vocoder():
        yield make_tiny_xtts(tmp_path_factory.mktemp("tiny-random-xtts"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return loading.load_model(files_of(folder), options())


@pytest.fixture(scope="module")
def shared(model: Any) -> Any:
    return loops.XttsLoop(model, options(top_k=1, streams=STREAMS))


@pytest.fixture
def loop(shared: Any) -> Iterator[Any]:
    yield shared
    for number in list(shared._segments):
        shared.cancel(number)
    assert sorted(shared._free) == list(range(STREAMS))


def request(number: int, text: str, voice: str = FIRST, language: str = "en", speed: float = 1.0, **more: str) -> Speak:
    return Speak(number, text, voice, language, speed, **more)


class Heard:
    """What comes of segments: their audio and tokens, by number."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self.audio: dict[int, list[NDArray[np.int16]]] = {}
        self.tokens: dict[int, list[int]] = {}
        self.ended: list[int] = []
        self.broken: dict[int, str] = {}

    def begin(self, asked: Speak) -> None:
        self._loop.begin(asked)
        self.tokens[asked.stream] = self._loop._segments[asked.stream].history
        self.audio[asked.stream] = []

    def step(self) -> None:
        for told in self._loop.step():
            match told:
                case Spoken(stream=stream, pcm=pcm):
                    self.audio[stream].append(np.frombuffer(pcm, np.int16))
                case Ended(stream=stream):
                    self.ended.append(stream)
                case Broken(stream=stream, reason=reason):
                    self.broken[stream] = reason

    def rest(self) -> "Heard":
        while not self._loop.is_idle:
            self.step()
        return self

    def samples(self, number: int) -> NDArray[np.float32]:
        return np.concatenate([*self.audio[number], np.zeros(0, np.int16)]).astype(np.float32) / 32768


def by_the_class(
    model: Any, text: str, voice: str = FIRST, language: str = "en", speed: float = 1.0
) -> tuple[list[int], NDArray[np.float32]]:
    """Return the tokens and the audio of the model's own `inference_stream`, which takes the likeliest tokens."""
    tokens: list[int] = []
    original = model.gpt.get_generator

    def noting(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for token, latent in original(*args, **kwargs):
            tokens.append(int(token))
            yield token, latent

    speaker, config = model.speaker_manager.speakers[voice], model.config
    model.gpt.get_generator = noting
    try:
        pieces = model.inference_stream(
            text,
            language,
            speaker["gpt_cond_latent"],
            speaker["speaker_embedding"],
            stream_chunk_size=1000,
            top_k=1,
            temperature=config.temperature,
            repetition_penalty=config.repetition_penalty,
            speed=speed,
        )
        return tokens, torch.cat(list(pieces)).numpy()
    finally:
        model.gpt.get_generator = original


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("speed", [1.0, 0.5, 1.3, 2.0])
def test_a_segment_has_the_tokens_and_the_audio_of_the_class(loop: Any, model: Any, text: str, speed: float):
    tokens, audio = by_the_class(model, text, speed=speed)
    heard = Heard(loop)
    heard.begin(request(1, text, speed=speed))
    heard.rest()
    assert heard.tokens[1] == tokens
    assert len(heard.audio[1]) > 1
    np.testing.assert_allclose(heard.samples(1), audio, rtol=0, atol=ROUNDING)
    assert heard.ended == [1]


@pytest.mark.parametrize(("speed", "own_speed"), [(4.0, 2.0), (0.25, 0.5)])
def test_speeds_beyond_those_of_the_model_are_stretched(loop: Any, speed: float, own_speed: float):
    heard = Heard(loop)
    heard.begin(request(1, TEXTS[0], speed=speed))
    heard.begin(request(2, TEXTS[0], speed=own_speed))
    heard.rest()
    assert heard.tokens[1] == heard.tokens[2]
    assert heard.samples(1).size == pytest.approx(heard.samples(2).size * own_speed / speed, rel=0.1)


def test_segments_that_are_spoken_together_do_not_change_each_other(loop: Any, model: Any):
    wanted = {
        1: (TEXTS[0], FIRST),
        2: (TEXTS[1], SECOND),
        3: (TEXTS[2], FIRST),
        4: (TEXTS[2], SECOND),
    }
    heard = Heard(loop)
    for number, (text, voice) in wanted.items():
        heard.begin(request(number, text, voice))
        for _ in range(7 * number):
            heard.step()
    heard.rest()
    said: list[NDArray[np.float32]] = []
    for number, (text, voice) in wanted.items():
        tokens, audio = by_the_class(model, text, voice)
        assert heard.tokens[number] == tokens
        np.testing.assert_allclose(heard.samples(number), audio, rtol=0, atol=ROUNDING)
        said.append(audio)
    assert len({audio.shape for audio in said}) > 1
    shortest = min(map(len, said))
    assert max(np.abs(one[:shortest] - said[0][:shortest]).max() for one in said) > 100 * ROUNDING


def test_a_segment_that_is_cancelled_frees_its_slot_and_says_nothing_more(loop: Any, model: Any):
    heard = Heard(loop)
    for number in range(STREAMS):
        heard.begin(request(number, TEXTS[2], SECOND))
    while not heard.audio[2]:
        heard.step()
    loop.cancel(2)
    before = len(heard.audio[2])
    heard.begin(request(9, TEXTS[0]))
    heard.rest()
    assert len(heard.audio[2]) == before
    assert sorted(heard.ended) == [0, 1, 3, 9]
    assert heard.tokens[9] == by_the_class(model, TEXTS[0])[0]
    loop.cancel(9)
    loop.cancel(77)


def test_the_first_sound_comes_with_ten_tokens(loop: Any):
    heard = Heard(loop)
    heard.begin(request(1, TEXTS[2]))
    while not heard.audio[1]:
        heard.step()
    assert len(heard.tokens[1]) == 10
    assert heard.audio[1][0].size == 27 * 256


@pytest.mark.parametrize("tokens", [1, 2, 5, 9, 10, 11, 30, 33, 34, 60])
def test_a_piece_of_any_length_has_the_audio_of_the_whole_decode(loop: Any, model: Any, tokens: int, monkeypatch: Any):
    monkeypatch.setattr(loop._gpt, "max_tokens", tokens)
    monkeypatch.setattr(loop._gpt, "stop_token", -1)
    heard = Heard(loop)
    heard.begin(request(1, TEXTS[0]))
    heard.rest()
    with torch.inference_mode():
        speaker = model.speaker_manager.speakers[FIRST]["speaker_embedding"]
        whole = model.hifigan_decoder(loop._gpt.latents[:1, :tokens], g=speaker)[0, 0].numpy()
    assert len(heard.tokens[1]) == tokens
    np.testing.assert_allclose(heard.samples(1), whole, rtol=0, atol=ROUNDING)


def test_a_long_text_is_spoken_in_pieces_that_the_model_can_take(loop: Any, model: Any):
    text = "a sentence of some words that goes on. " * 30
    heard = Heard(loop)
    heard.begin(request(1, text))
    waiting = loop._segments[1].waiting
    assert len(waiting) == len(text) // model.tokenizer.char_limits["en"] + 1
    heard.rest()
    stops = heard.tokens[1].count(loop._gpt.stop_token)
    assert stops == 5
    assert heard.ended == [1]


def test_numbers_without_end_are_spoken(loop: Any):
    heard = Heard(loop)
    heard.begin(request(1, "9" * 5000))
    assert len(loop._segments[1].waiting) > 10
    heard.begin(request(2, "yes 123456789012345678 no"))
    while not (heard.audio[1] and heard.audio[2]):
        heard.step()


@pytest.mark.parametrize("text", ["", "  ", "...", "🙂🙂", "?!", "\x00\x07"])
def test_a_text_without_a_word_is_silence_and_ends(loop: Any, text: str):
    heard = Heard(loop)
    heard.begin(request(1, text))
    heard.rest()
    assert heard.ended == [1]
    assert heard.samples(1).size == 0


def test_every_language_is_spoken_with_the_models_own_reading(loop: Any, model: Any):
    texts = {"ja": "こんにちは", "zh": "你好,世界", "ko": "안녕하세요", "ru": "Привет", "ar": "مرحبا", "hi": "नमस्ते"}
    codes = [code.partition("-")[0] for code in LANGUAGES]
    assert all(voice.languages == codes for voice in loop.loaded.voices)
    for code in codes:
        heard = Heard(loop)
        heard.begin(request(1, texts.get(code, "Mama 3"), language=code))
        tokens = loop._segments[1].waiting[0]
        assert tokens == model.tokenizer.encode(texts.get(code, "Mama 3").lower(), lang=code)
        while not heard.audio[1]:
            heard.step()
        loop.cancel(1)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"voice": "Alloy"}, "voice: 'Alloy'; accepted: Ana Florence, Damien Black, Nobody Known"),
        ({"language": "xx"}, "language: 'xx'; accepted: en, es, "),
        ({"reference": "/nowhere.wav", "reference_id": "v1"}, "the recording of the voice cannot be read: "),
    ],
)
def test_a_request_that_cannot_be_spoken_is_refused_with_its_reason(loop: Any, wrong: Any, reason: str):
    with pytest.raises(Rejected, match=reason):
        loop.begin(request(1, "hello", **wrong))
    assert loop.is_idle


def test_voices_say_what_is_known_of_them(loop: Any):
    assert [(voice.name, voice.gender) for voice in loop.loaded.voices] == [
        ("Ana Florence", "female"),
        ("Damien Black", "male"),
        ("Nobody Known", ""),
    ]
    assert (loop.loaded.clones_voices, loop.loaded.streams, loop.loaded.sample_rate) == (True, STREAMS, 24_000)


def write_wav(path: Path, pcm: NDArray[np.int16], channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, 24_000, 0, "NONE", ""))
        file.writeframes(pcm.tobytes())
    return path


def test_a_recording_is_a_voice_whose_conditioning_is_that_of_the_class_and_is_kept(
    loop: Any, model: Any, tmp_path: Path, monkeypatch: Any
):
    pcm = np.tile(read_audio(RECORDING, 24_000), 4)
    path = write_wav(tmp_path / "voice.wav", pcm)
    module = import_module("TTS.tts.models.xtts")

    def load_audio(file: Path, rate: int) -> Any:
        audio = torch.from_numpy(pcm.astype(np.float32) / 32768)[None]
        return import_module("torchaudio").functional.resample(audio, 24_000, rate)

    monkeypatch.setattr(module, "load_audio", load_audio)
    config = model.config
    conditioning, embedding = model.get_conditioning_latents(
        path, config.max_ref_len, config.gpt_cond_len, config.gpt_cond_chunk_len
    )
    asked = request(1, TEXTS[0], reference=str(path), reference_id="voice-1")
    heard = Heard(loop)
    heard.begin(asked)
    speaker = loop._segments[1].speaker
    torch.testing.assert_close(speaker.conditioning, conditioning)
    torch.testing.assert_close(speaker.embedding, embedding[0])
    heard.rest()
    assert heard.tokens[1] != by_the_class(model, TEXTS[0])[0]
    path.unlink()
    again = Heard(loop)
    again.begin(asked)
    assert again.rest().tokens[1] == heard.tokens[1]
    with pytest.raises(Rejected, match="2 channels of 16 bits, not one of 16"):
        loop.begin(request(2, "no", reference=str(write_wav(path, pcm[:48_000], channels=2)), reference_id="voice-2"))


def test_values_that_are_no_numbers_break_their_segment_only(loop: Any, model: Any, monkeypatch: Any):
    decode = loop._vocoder.decode
    poisoned = loop._vocoder.decode.__self__

    def decode_badly(jobs: Any) -> NDArray[np.float32]:
        audio = decode(jobs)
        for row, job in enumerate(jobs):
            if torch.equal(job.speaker, loop._speakers._known[SECOND].embedding):
                audio[row, 3000] = np.nan
        return audio

    monkeypatch.setattr(poisoned, "decode", decode_badly)
    heard = Heard(loop)
    heard.begin(request(1, TEXTS[0]))
    heard.begin(request(2, TEXTS[0], SECOND))
    heard.rest()
    assert heard.broken == {2: "the model computed values that are no numbers"}
    assert heard.ended == [1]
    assert heard.tokens[1] == by_the_class(model, TEXTS[0])[0]
