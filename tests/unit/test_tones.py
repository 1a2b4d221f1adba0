"""The tones of networks, fax machines and answering machines, as their standards describe them, at 8 kHz in mu-law."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.audio.files import read_audio
from streamsrv.audio.g711 import decode_mulaw, encode_mulaw
from streamsrv.audio.tones import Tone, ToneDetector

RATE = 8_000
FIXTURES = Path(__file__).parents[2] / "fixtures"
Samples = NDArray[np.float64]


def tone(hz: Sequence[float], ms: int, level_db: float = -12, rate: int = RATE) -> Samples:
    """The sum of sines, each at `level_db` of full scale."""
    seconds = np.arange(rate * ms // 1000) / rate
    return np.sum([10 ** (level_db / 20) * np.sin(2 * np.pi * each * seconds) for each in hz], axis=0)


def silence(ms: int, rate: int = RATE) -> Samples:
    return np.zeros(rate * ms // 1000)


def heard(*parts: Samples, noise_db: float = -60, rate: int = RATE, chunk: int = 160) -> list[Tone]:
    """What the detector finds in these parts, with noise, in packets of `chunk` samples."""
    samples = np.concatenate([silence(300, rate), *parts, silence(1500, rate)])
    samples += 10 ** (noise_db / 20) * np.random.default_rng(0).standard_normal(len(samples))
    pcm = decode_mulaw(encode_mulaw((samples * 32_000).astype(np.int16)))
    detector = ToneDetector(rate)
    return [found for start in range(0, len(pcm), chunk) for found in detector.hear(pcm[start : start + chunk])]


def repeated(times: int, *parts: Samples) -> list[Samples]:
    return [*parts] * times


@pytest.mark.parametrize("noise_db", [-60, -45, -35])
def test_a_fax_machine_that_calls_is_known_by_its_second_burst(noise_db: float) -> None:
    bursts = repeated(2, tone([1100], 500), silence(3000))
    assert heard(*bursts, noise_db=noise_db) == [Tone.BEEP, Tone.FAX_CALLING]


@pytest.mark.parametrize("hz", [1065, 1135])
@pytest.mark.parametrize(("on_ms", "off_ms"), [(430, 2600), (570, 3400)])
def test_a_fax_machine_may_use_the_tolerances_of_its_standard(hz: float, on_ms: int, off_ms: int) -> None:
    assert heard(*repeated(2, tone([hz], on_ms), silence(off_ms)))[-1] == Tone.FAX_CALLING


@pytest.mark.parametrize("hz", [2085, 2100, 2115])
def test_a_fax_machine_that_answers_is_known_within_its_tone(hz: float) -> None:
    assert heard(tone([hz], 3000)) == [Tone.FAX_ANSWERING]
    assert heard(tone([hz], 1100))[:1] == [Tone.FAX_ANSWERING]


def test_the_tone_of_a_modem_is_known_through_its_reversals_and_modulation() -> None:
    seconds = np.arange(3 * RATE) / RATE
    reversals = np.where((seconds // 0.45).astype(int) % 2, 1, -1)
    modulated = 0.25 * (1 + 0.2 * np.sin(2 * np.pi * 15 * seconds)) * np.sin(2 * np.pi * 2100 * seconds)
    assert heard(modulated * reversals) == [Tone.FAX_ANSWERING]


@pytest.mark.parametrize(
    ("hz", "on_ms", "off_ms"),
    [
        ((480, 620), 500, 500),
        ((480, 620), 250, 250),
        ((425,), 500, 500),
        ((425,), 480, 480),
        ((425,), 250, 250),
        ((425,), 200, 200),
        ((400,), 375, 375),
        ((440,), 500, 500),
        ((450,), 350, 350),
    ],
)
@pytest.mark.parametrize("noise_db", [-60, -40])
def test_busy_and_congestion_tones_are_known_by_their_third_burst(
    hz: tuple[float, ...], on_ms: int, off_ms: int, noise_db: float
) -> None:
    assert heard(*repeated(3, tone(hz, on_ms), silence(off_ms)), noise_db=noise_db) == [Tone.BUSY]


@pytest.mark.parametrize(
    ("hz", "lasting_ms", "gap_ms"),
    [
        ((950, 1400, 1800), (330, 330, 330), 0),
        ((950, 1400, 1800), (330, 330, 330), 30),
        ((985, 1429, 1777), (380, 274, 380), 0),
        ((914, 1371, 1777), (274, 274, 380), 20),
    ],
)
def test_special_information_tones_are_known(hz: Sequence[float], lasting_ms: Sequence[int], gap_ms: int) -> None:
    parts = [part for each, ms in zip(hz, lasting_ms, strict=True) for part in (tone([each], ms), silence(gap_ms))]
    assert heard(*parts) == [Tone.UNREACHABLE]


@pytest.mark.parametrize("hz", [440, 620, 700, 800, 1000, 1100, 1400, 2000, 2100, 3000])
@pytest.mark.parametrize("lasting_ms", [200, 250, 500, 850])
@pytest.mark.parametrize("level_db", [-6, -30])
def test_the_beep_of_an_answering_machine_is_known(hz: float, lasting_ms: int, level_db: float) -> None:
    assert heard(tone([hz], lasting_ms, level_db)) == [Tone.BEEP]


def test_a_beep_may_be_short_where_no_voice_hums() -> None:
    assert heard(tone([1400], 120)) == [Tone.BEEP]


def test_a_beep_may_swell() -> None:
    assert heard(tone([700], 440) * np.linspace(0.6, 1, 3520)) == [Tone.BEEP]


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
@pytest.mark.parametrize("chunk", [7, 160, 100_000])
def test_rates_and_packets_make_no_difference(rate: int, chunk: int) -> None:
    assert heard(tone([1000], 300, rate=rate), rate=rate, chunk=chunk) == [Tone.BEEP]


@pytest.mark.parametrize(
    "parts",
    [
        repeated(2, tone([425], 1000), silence(4000)),
        repeated(2, tone([440, 480], 2000), silence(4000)),
        repeated(2, tone([400, 450], 400), silence(200), tone([400, 450], 400), silence(2000)),
        [tone([350, 440], 3000)],
        [tone([425], 3000)],
        repeated(4, tone([697, 1209], 100), silence(100)),
        [tone([1000], 60)],
        [tone([1000], 2500)],
        [tone([1000], 300, level_db=-55)],
        repeated(2, tone([1100], 500), silence(500)),
        [tone([50, 150], 2000)],
    ],
    ids=["ringing", "ringing US", "ringing UK", "dial US", "dial", "keys", "short", "long", "soft", "tone", "hum"],
)
def test_other_tones_are_no_call_that_failed(parts: list[Samples]) -> None:
    assert not {*heard(*parts)} & {Tone.BUSY, Tone.UNREACHABLE, Tone.FAX_CALLING, Tone.FAX_ANSWERING}


@pytest.mark.parametrize("hz", [(697, 1209), (350, 440), (440, 480), (480, 620)])
def test_a_tone_of_two_frequencies_is_no_beep(hz: Sequence[float]) -> None:
    assert heard(tone(hz, 300)) == []


def test_a_tone_that_another_sound_follows_is_no_beep() -> None:
    vowel = tone([200, 400, 600, 800, 1000, 1200], 600, level_db=-20)
    assert heard(tone([1000], 300), vowel) == []


def test_no_tone_is_heard_in_recorded_speech() -> None:
    """`benchmarks/telephone_tones.py` counts false alarms in hours of speech."""
    for name in ("block_books", "is_the_garage_door_open", "lock_the_front_door", "korean_hotel_booking"):
        assert heard(read_audio(FIXTURES / f"{name}.flac", RATE) / 32_768) == []
