"""Reading and writing audio files; and the small PCM helpers."""

import io
import math
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.audio.files import AudioFileError, read_audio, write_wav
from streamsrv.audio.pcm import from_float, level_dbfs, to_float

TONE = np.rint(8000 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)).astype(np.int16)


def encoded(
    container: str, codec: str, rate: int, layout: str = "stereo", tone: NDArray[np.int16] = TONE
) -> io.BytesIO:
    """A second of the tone in a container, made by FFmpeg."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        if codec == "vorbis":
            stream.codec_context.options = {"strict": "experimental"}
        resampler = av.AudioResampler(stream.format, layout, rate)
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate = 16000
        for converted in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(converted))
        output.mux(stream.encode(None))
    buffer.seek(0)
    return buffer


def wav_bytes(pcm: NDArray[np.int16], folder: Path) -> bytes:
    write_wav(folder / "tone.wav", pcm, 16000)
    return (folder / "tone.wav").read_bytes()


def test_a_wav_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_wav(tmp_path / "tone.wav", TONE, 16000)
    np.testing.assert_array_equal(read_audio(tmp_path / "tone.wav"), TONE)
    np.testing.assert_array_equal(read_audio(str(tmp_path / "tone.wav")), TONE)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("mp3", "libmp3lame", 44100), ("ogg", "libopus", 48000), ("webm", "libopus", 48000), ("mp4", "aac", 44100),
     ("flac", "flac", 44100), ("wav", "pcm_mulaw", 8000)],
)  # fmt: skip
def test_any_container_is_read_as_mono_at_the_rate_asked_for(container: str, codec: str, rate: int) -> None:
    pcm = read_audio(encoded(container, codec, rate), 24000)
    assert pcm.dtype == np.int16
    assert pcm.ndim == 1
    assert 23500 < pcm.size < 26000
    spectrum = np.abs(np.fft.rfft(pcm[:24000]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=1)


def tone(frequency: int) -> NDArray[np.int16]:
    return np.rint(8000 * np.sin(2 * np.pi * frequency * np.arange(16000) / 16000)).astype(np.int16)


def pitches(pcm: NDArray[np.int16]) -> list[int]:
    """The frequency of each half second that has one frequency only, without repetitions; to 20 Hz."""
    found: list[int] = []
    for start in range(0, len(pcm) - 4000, 2000):
        spectrum = np.abs(np.fft.rfft(pcm[start : start + 4000] * np.hanning(4000)))
        pitch = round(int(np.argmax(spectrum)) * 4 / 20) * 20
        if spectrum.max() > 0.4 * 8000 * 1000 and found[-1:] != [pitch]:
            found.append(pitch)
    return found


@pytest.mark.parametrize(
    ("container", "codec", "pieces"),
    [
        ("mp3", "libmp3lame", [(44100, "stereo"), (22050, "mono"), (48000, "stereo")]),
        ("mp3", "libmp3lame", [(24000, "mono"), (24000, "stereo")]),
        ("adts", "aac", [(44100, "stereo"), (16000, "mono")]),
        ("adts", "aac", [(16000, "mono"), (16000, "stereo"), (48000, "mono")]),
        ("flac", "flac", [(44100, "stereo"), (16000, "mono"), (48000, "stereo")]),
        ("ogg", "libopus", [(48000, "stereo"), (48000, "mono"), (16000, "stereo")]),
        ("ogg", "libopus", [(48000, "mono"), (48000, "mono")]),
        ("ogg", "vorbis", [(44100, "stereo"), (16000, "stereo")]),
        ("mpegts", "aac", [(44100, "stereo"), (16000, "mono")]),
    ],
)
def test_rate_and_channels_may_change_in_the_middle(container: str, codec: str, pieces: list[tuple[int, str]]) -> None:
    frequencies = [440, 660, 880][: len(pieces)]
    data = b"".join(
        encoded(container, codec, rate, layout, tone(frequency)).getvalue()
        for (rate, layout), frequency in zip(pieces, frequencies, strict=True)
    )
    pcm = read_audio(io.BytesIO(data))
    assert pitches(pcm) == frequencies
    assert len(pcm) / 16000 == pytest.approx(len(pieces), rel=0.08)


def test_an_ogg_file_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    data = b"".join(encoded("ogg", "libopus", 48000, layout).getvalue() for layout in ("mono", "stereo"))
    assert 16000 <= read_audio(io.BytesIO(data[:-1500])).size < 32000


@pytest.mark.parametrize(("container", "codec"), [("avi", "mp3"), ("tta", "tta"), ("adx", "adpcm_adx"), ("flv", "aac")])
def test_what_nobody_records_in_is_not_decoded(container: str, codec: str) -> None:
    with pytest.raises(AudioFileError, match="Known are AAC, AIFF"):
        read_audio(encoded(container, codec, 48000))


def test_a_known_container_with_another_codec_is_refused() -> None:
    with pytest.raises(AudioFileError, match="adpcm_yamaha"):
        read_audio(encoded("wav", "adpcm_yamaha", 48000))


def test_cover_art_does_not_matter() -> None:
    """Of a kind that is not what the file says it is."""
    picture = b"\x03image/png\0\x03\0" + b"not a picture" * 20
    tag = b"APIC" + len(picture).to_bytes(4, "big") + b"\0\0" + picture
    size = bytes((len(tag) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    data = b"ID3\x03\0\0" + size + tag + encoded("mp3", "libmp3lame", 44100).getvalue()
    assert 15500 < read_audio(io.BytesIO(data)).size < 18000


def test_decoding_can_be_cancelled() -> None:
    data = encoded("flac", "flac", 44100).getvalue()
    assert 0 < read_audio(io.BytesIO(data), is_cancelled=lambda: True).size < 16000


def test_damage_in_the_middle_loses_only_a_part() -> None:
    data = bytearray(encoded("mp3", "libmp3lame", 44100).getvalue())
    data[len(data) // 2 : len(data) // 2 + 300] = bytes(300)
    assert 12000 < read_audio(io.BytesIO(bytes(data))).size < 17000


def test_a_truncated_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    data = wav_bytes(TONE, tmp_path)
    assert 7000 < read_audio(io.BytesIO(data[: len(data) // 2])).size < 8000


@pytest.mark.parametrize("data", [b"", b"not audio at all " * 99, bytes(5000)], ids=["empty", "text", "zeros"])
def test_what_is_not_audio_is_refused(data: bytes) -> None:
    with pytest.raises(AudioFileError, match="not in a known audio format"):
        read_audio(io.BytesIO(data))


def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="no audio"):
        read_audio(io.BytesIO(wav_bytes(TONE[:0], tmp_path)))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="No such file"):
        read_audio(tmp_path / "none.wav")


def test_a_file_longer_than_allowed_is_refused(tmp_path: Path) -> None:
    data = wav_bytes(TONE, tmp_path)
    assert read_audio(io.BytesIO(data), max_seconds=1).size == 16000
    with pytest.raises(AudioFileError, match=r"longer than 0\.5 seconds"):
        read_audio(io.BytesIO(data), max_seconds=0.5)


def test_an_upload_cannot_name_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wav(tmp_path / "secret.wav", TONE, 16000)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AudioFileError):
        read_audio(io.BytesIO(b"ffconcat version 1.0\nfile secret.wav\n"))


def test_float_samples_are_clipped_not_wrapped() -> None:
    assert from_float(np.array([0, 0.5, 1, -1, 3, -3], np.float32)).tolist() == [0, 16384, 32767, -32768, 32767, -32768]
    assert from_float(np.array([0.25], np.float32), gain=2).tolist() == [16384]


def test_int16_survives_the_way_through_float() -> None:
    everything = np.arange(-32768, 32768).astype(np.int16)
    np.testing.assert_array_equal(from_float(to_float(everything)), everything)


def test_level() -> None:
    assert level_dbfs(np.full(100, -32768, np.int16)) == pytest.approx(0)
    assert level_dbfs(np.full(100, 3277, np.int16)) == pytest.approx(-20, abs=0.01)
    assert level_dbfs(np.zeros(100, np.int16)) == level_dbfs(np.zeros(0, np.int16)) == -math.inf
