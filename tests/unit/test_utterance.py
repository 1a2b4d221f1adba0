"""The utterance: from frames and hypotheses to transcripts. Pure; a fake decoder hears at once what is due."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_decoder import WORD_MS, FakeDecoder, silence, spoken, text
from streamsrv.engines.asr.base import RecognitionOptions, TokenLogprob, Transcript, Word
from streamsrv.engines.asr.windows.incremental import Hypothesis
from streamsrv.engines.asr.windows.utterance import Utterance, estimate_words
from streamsrv.engines.asr.windows.window import Span


def hear(utterance: Utterance, *frames: tuple[NDArray[np.int16], bool]) -> list[Transcript]:
    """Push audio in frames of 32 ms, decoding at once whatever is due."""
    decoder, transcripts = FakeDecoder(), []
    for pcm, speech in frames:
        for start in range(0, len(pcm), 512):
            if transcript := utterance.push(pcm[start : start + 512], speech=speech):
                transcripts.append(transcript)
            while utterance.window.due:
                snapshot = utterance.window.take()
                samples = snapshot.samples.astype(np.float32) / 32768
                transcripts.append(
                    utterance.accept(snapshot, decoder.decode(samples, RecognitionOptions(), lambda: False))
                )
    return transcripts


def words(first: int, last: int) -> tuple[NDArray[np.int16], bool]:
    return np.concatenate([spoken(number) for number in range(first, last + 1)]), True


def pause(ms: int) -> tuple[NDArray[np.int16], bool]:
    return silence(ms), False


def test_stable_text_grows_while_speech_goes_on():
    transcripts = hear(Utterance(), words(1, 6), pause(200))
    stable = [transcript.stable for transcript in transcripts]
    assert stable == ["", text(1, 2), text(1, 4), text(1, 5)]
    assert [transcript.text for transcript in transcripts] == [text(1, 2), text(1, 4), text(1, 5), text(1, 6)]


def test_the_last_word_before_a_pause_is_stable_when_hypotheses_agree():
    assert [transcript.stable for transcript in hear(Utterance(), words(1, 2), pause(200))] == ["", text(1, 2)]


def test_a_part_frozen_at_a_pause_is_stable_and_stays_in_the_final_transcript():
    utterance = Utterance()
    frozen = hear(utterance, words(1, 20), pause(500))[-1]
    assert (frozen.stable, frozen.tentative) == (text(1, 20), "")
    assert utterance.window.length_ms <= 150
    assert utterance.final().stable == text(1, 20)
    hear(utterance, words(21, 23), pause(200))
    assert utterance.final().stable == text(1, 23)


@pytest.mark.parametrize("count", [37, 38, 39, 60, 100])
def test_cutting_long_speech_neither_repeats_nor_loses_a_word(count):
    """The fake decoder hears a word cut in two twice, as the end of one part and the beginning of the next."""
    utterance = Utterance()
    transcripts = hear(utterance, words(1, count), pause(500))
    assert all(b.stable.startswith(a.stable) for a, b in pairwise(transcripts))
    assert list(dict.fromkeys(utterance.final().stable.split())) == text(1, count).split()
    stable = transcripts[-1].stable.split()
    assert list(dict.fromkeys(stable)) == text(1, count).split()
    assert len(stable) <= count + count // 20


def test_the_final_transcript_takes_the_newest_hypothesis_over_older_stable_text():
    utterance = Utterance()
    for heard in ("I scream for", "I scream for ice", "ice cream for ice"):
        utterance.push(spoken(1, 512), speech=True)
        transcript = utterance.accept(utterance.window.take(), Hypothesis(heard))
    assert transcript.stable == "I scream for"
    assert utterance.final() == Transcript(
        "ice cream for ice", words=utterance.final().words, is_final=True, at_pause=True
    )


def test_the_text_at_a_pause_is_the_final_one_and_not_the_stable_words_of_older_hypotheses():
    utterance = Utterance()
    for heard in ("removed and tied", "removed and tired"):
        utterance.push(spoken(1, 512), speech=True)
        utterance.accept(utterance.window.take(), Hypothesis(heard))
    utterance.push(spoken(1, 512), speech=True)
    utterance.push(silence(96), speech=False)
    transcript = utterance.accept(utterance.window.take(), Hypothesis("removed entire without spilling"))
    assert transcript.stable.startswith("removed and")
    assert transcript.text == utterance.final().text == "removed entire without spilling"


def test_a_transcript_decoded_in_a_pause_says_that_it_covers_all_speech():
    transcripts = hear(Utterance(), words(1, 2), pause(200), words(3, 4), pause(200))
    assert [(transcript.text, transcript.at_pause) for transcript in transcripts] == [
        (text(1, 2), False),
        (text(1, 2), True),
        (text(1, 4), False),
        (text(1, 4), True),
    ]


def test_a_transcript_that_comes_when_speech_goes_on_again_does_not_say_so():
    utterance = Utterance()
    utterance.push(spoken(1), speech=True)
    utterance.push(silence(96), speech=False)
    snapshot = utterance.window.take()
    utterance.push(spoken(2, 32), speech=True)
    assert not utterance.accept(snapshot, Hypothesis("w1")).at_pause


def test_text_frozen_at_a_pause_and_the_final_transcript_cover_all_speech():
    utterance = Utterance()
    assert hear(utterance, words(1, 20), pause(500))[-1].at_pause
    assert utterance.final().at_pause


def test_words_are_spread_over_speech_and_not_over_pauses():
    assert estimate_words(["abcd", "efg", "hij", "klmn"], [Span(1000, 1900), Span(5000, 5900)]) == (
        Word("abcd", 1000, 1500),
        Word("efg", 1500, 1900),
        Word("hij", 5000, 5400),
        Word("klmn", 5400, 5900),
    )


def test_times_of_the_decoder_are_used_and_converted_to_the_stream():
    """The window lacks most of the long pause, so the second word is 1150 ms into it, and 3096 ms into the stream."""
    utterance = Utterance()
    for pcm, speech in (pause(96), words(1, 2), pause(2000), words(3, 4), pause(96)):
        for start in range(0, len(pcm), 512):
            utterance.push(pcm[start : start + 512], speech=speech)
    heard = (
        Word("one", 96, 400, 0.9),
        Word("two,", 600, 900, 0.8),
        Word("three", 900, 1300, 0.7),
        Word("four", 1300, 1700),
    )
    snapshot = utterance.window.take()
    transcript = utterance.accept(snapshot, Hypothesis("one two, three four", words=heard))
    assert transcript.words == ()
    assert utterance.final().words == (
        Word("one", 96, 400, 0.9),
        Word("two,", 600, 736, 0.8),
        Word("three", 2736, 2950, 0.7),
        Word("four", 2950, 3350),
    )


def test_log_probabilities_of_frozen_parts_stay_in_the_final_transcript():
    utterance = Utterance()
    for number in (1, 2):
        for pcm, speech in (words(1, 20), pause(500)):
            for start in range(0, len(pcm), 512):
                utterance.push(pcm[start : start + 512], speech=speech)
        logprobs = (TokenLogprob(f"t{number}", -0.5),)
        utterance.accept(utterance.window.take(), Hypothesis(f"t{number}", logprobs=logprobs))
    assert utterance.final().text == "t1 t2"
    assert [each.token for each in utterance.final().logprobs] == ["t1", "t2"]


def test_parts_of_a_window_are_joined_with_their_times():
    parts = (
        Hypothesis("no", words=(Word("no", 100, 200),), logprobs=(TokenLogprob("no", -1.0),)),
        Hypothesis(""),
        Hypothesis("no", "en", words=(Word("no", 50, 150),), logprobs=(TokenLogprob("no", -2.0),)),
    )
    joined = Hypothesis("no no no", is_cut=True).of_parts(parts, (16_000, 32_000))
    assert (joined.text, joined.language, joined.is_cut) == ("no no", "en", True)
    assert joined.words == (Word("no", 100, 200), Word("no", 2050, 2150))
    assert [each.logprob for each in joined.logprobs] == [-1.0, -2.0]


def test_final_words_are_timed_in_the_stream_across_frozen_parts():
    utterance = Utterance()
    hear(utterance, pause(2000), words(1, 20), pause(4000), words(21, 22), pause(200))
    timed = utterance.final().words
    assert [word.text for word in timed] == text(1, 22).split()
    assert (timed[0].start_ms, timed[19].end_ms) == (2000, 2000 + 20 * WORD_MS)
    assert timed[20].start_ms == 2000 + 20 * WORD_MS + 4000
    assert all(word.confidence is None for word in timed)
