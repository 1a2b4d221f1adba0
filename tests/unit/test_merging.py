"""The words of two recognisers of one utterance are joined without loss and without doubles. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.asr.base import Transcript, Word
from streamsrv.engines.asr.failover import merging
from streamsrv.engines.asr.failover.merging import MAX_ALIGNED_WORDS, MAX_DRIFT_WORDS, Seam, continuation, timed
from streamsrv.text.words import alignment_distances, bare, join_words, split_words

TWO_CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it "
    "was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of "
    "Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing "
    "before us, we were all going direct to Heaven, we were all going direct the other way."
).split()


def spoken_at(words: Sequence[str]) -> tuple[Word, ...]:
    """Each word takes 300 ms, and a pause of 100 ms follows."""
    return tuple(Word(word, index * 400, index * 400 + 300) for index, word in enumerate(words))


def heard(words: Sequence[str]) -> Transcript:
    return Transcript(" ".join(words), words=spoken_at(words), is_final=True)


def as_bare(text: str) -> list[str]:
    return [bare(word) for word in split_words(text)]


def test_nothing_shown_leaves_transcripts_as_they_are():
    seam = Seam("")
    for transcript in (Transcript("a", "b"), heard(["a", "b"])):
        assert seam.interim(transcript) is transcript
        assert seam.final(transcript) is transcript


@pytest.mark.parametrize("count", range(1, len(TWO_CITIES) + 1))
def test_shown_words_stay_and_the_rest_follows(count: int):
    shown = " ".join(word.casefold().strip(",.") for word in TWO_CITIES[:count])
    final = Seam(shown).final(heard(TWO_CITIES))
    assert final.stable.startswith(shown)
    assert as_bare(final.stable) == as_bare(" ".join(TWO_CITIES))
    assert final.words == tuple(
        Word(text, word.start_ms, word.end_ms)
        for text, word in zip([*shown.split(), *TWO_CITIES[count:]], spoken_at(TWO_CITIES), strict=True)
    )


@pytest.mark.parametrize("count", range(1, len(TWO_CITIES), 2))
def test_a_replacement_that_catches_up_takes_nothing_back_and_doubles_nothing(count: int):
    shown = " ".join(TWO_CITIES[:count])
    seam = Seam(shown)
    stables = [
        seam.interim(Transcript(" ".join(TWO_CITIES[:stable]), " ".join(TWO_CITIES[stable : stable + 2]))).stable
        for stable in range(len(TWO_CITIES) + 1)
    ]
    assert all(after.startswith(before) for before, after in pairwise([shown, *stables]))
    assert stables[count] == shown
    assert stables[-1] == " ".join(TWO_CITIES)


def test_tentative_words_of_a_replacement_are_those_after_the_shown_ones():
    seam = Seam("one two three four")
    assert seam.interim(Transcript("one", "two three")).tentative == ""
    assert seam.interim(Transcript("one two", "three four five")) == Transcript("one two three four", "five")


def test_a_replacement_that_understood_something_else_is_not_mixed_in():
    shown = "alpha beta gamma delta epsilon"
    other = ["one", "two", "three", "four", "five", "six"]
    seam = Seam(shown)
    assert seam.interim(Transcript(" ".join(other[:4]), "five")) == Transcript(shown)
    assert seam.final(heard(other)) == heard(other)
    assert Seam(shown).final(heard(["one"])).stable == shown
    assert Seam(shown).final(heard([])).stable == shown


def test_characters_without_spaces_are_joined_without_spaces():
    assert Seam("今日は").final(Transcript("今日はいい天気です。", is_final=True)).stable == "今日はいい天気です。"


def test_differing_words_share_the_time_of_those_in_their_place():
    times = spoken_at(["a", "big", "dog", "sleeps", "here"])
    assert timed(["a", "pig", "dog"], times[:3])[1] == Word("pig", 400, 700)
    every, thing = timed(["a", "every", "thing", "here"], (*times[:1], times[3], times[4]))[1:3]
    assert (every.start_ms, every.end_ms) == (1200, 1350)
    assert (thing.start_ms, thing.end_ms) == (1350, 1500)
    assert timed(["a", "new", "big"], times[:2])[1] == Word("new", 300, 400)
    assert timed(["x", "a"], times[:1]) == (Word("x", 0, 0), Word("a", 0, 300))
    assert timed(["a", "x"], times[:1]) == (Word("a", 0, 300), Word("x", 300, 300))


WORDS = st.lists(st.sampled_from("the a of to and it was in he she we no yes time house river light cold".split()))


@given(known=WORDS, words=WORDS)
def test_times_are_in_order_and_inside_the_audio(known: list[str], words: list[str]):
    times = timed(known, spoken_at(words))
    if known and words:
        assert [word.text for word in times] == known
        edges = [ms for word in times for ms in (word.start_ms, word.end_ms)]
        assert edges == sorted(edges)
        assert all(0 <= ms <= len(words) * 400 for ms in edges)


@pytest.mark.parametrize("seed", range(300))
def test_with_errors_of_both_no_more_words_are_wrong_than_both_got_wrong(seed: int):
    """Both recognisers mishear one word in twelve, one in forty is missing, one in forty is new."""
    random = Random(seed)
    vocabulary = [f"word{number}" for number in range(60)]
    said = [random.choice(vocabulary) for _ in range(random.randint(1, 120))]

    def misheard() -> tuple[list[str], int]:
        result: list[str] = []
        errors = 0
        for word in said:
            chance = random.random()
            if chance < 1 / 12:
                result.append(f"wrong{random.randint(0, 99)}")
            elif chance < 1 / 12 + 1 / 40:
                pass
            elif chance < 1 / 12 + 1 / 20:
                result += [word, f"new{random.randint(0, 99)}"]
            else:
                result.append(word)
                continue
            errors += 1
        return result, errors

    (one, one_errors), (other, other_errors) = misheard(), misheard()
    shown = " ".join(one[: random.randint(0, len(one))])
    seam = Seam(shown)
    before = shown
    for stable in range(0, len(other), 3):
        interim = seam.interim(Transcript(" ".join(other[:stable]), " ".join(other[stable : stable + 2])))
        assert interim.stable.startswith(before)
        before = interim.stable
    final = seam.final(heard(other))
    assert distance(said, final.text.split()) <= one_errors + other_errors
    edges = [ms for word in final.words for ms in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert [word.text for word in final.words] == final.text.split()


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    row = list(range(len(other) + 1))
    for index, word in enumerate(one, start=1):
        diagonal, row[0] = row[0], index
        for column, found in enumerate(other, start=1):
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, diagonal + (word != found))
    return row[-1]


@pytest.mark.parametrize(
    ("stable", "text", "rest"),
    [
        ("", "Hello there.", "Hello there."),
        ("hello", "Hello there.", "there."),
        ("the garage", "The garage door.", "door."),
        ("the carriage", "The garage door.", "door."),
        ("hello there", "Hello there.", ""),
        ("hello there", "", ""),
    ],
)
def test_the_continuation_follows_the_words_nearest_to_the_stable_ones(stable, text, rest):
    assert continuation(stable, text) == rest


def whole_alignment(stable: str, text: str) -> str:
    """`continuation` without bounds on its work."""
    known, words = split_words(stable), split_words(text)
    distances = alignment_distances(known, words)
    return join_words(words[min(range(len(distances)), key=lambda n: (distances[n], abs(n - len(known)))) :])


def revised(words: list[str], random: Random) -> list[str]:
    """The words as another recogniser hears them: some replaced, left out, added, split or joined."""
    heard: list[str] = []
    for word in words:
        change = random.random()
        if change < 0.04:
            heard.append(random.choice(VOCABULARY))
        elif change < 0.05:
            heard += [word, random.choice(VOCABULARY)]
        elif change < 0.07:
            heard += [word[:3], word[3:]]
        elif change < 0.08 and heard:
            heard[-1] += word
        elif change > 0.01 + 0.08:
            heard.append(word)
    return heard


VOCABULARY = [f"{stem}{ending}" for stem in ("abcd", "efgh", "ijkl", "mnop", "qrst") for ending in "aeiouvwxyz"]


@pytest.mark.parametrize("count", [5, 31, 33, 65, 120, 400])
def test_the_continuation_of_a_long_text_is_the_same_as_with_an_alignment_of_all_of_it(count: int):
    for seed in range(5):
        random = Random(seed)
        said = [random.choice(VOCABULARY) for _ in range(count)]
        text = " ".join([*revised(said, random), "and", "then", "more"])
        assert continuation(" ".join(said), text) == whole_alignment(" ".join(said), text)


def test_the_work_of_a_continuation_is_bounded(monkeypatch: pytest.MonkeyPatch):
    cells: list[int] = []

    def measured(known: Sequence[str], words: Sequence[str], **options: bool) -> list[int]:
        cells.append(len(known) * len(words))
        return alignment_distances(known, words, **options)

    monkeypatch.setattr(merging, "alignment_distances", measured)
    said = [f"word{number}" for number in range(5000)]
    assert continuation(" ".join(said), " ".join([*said, "at", "last"])) == "at last"
    continuation("", " ".join(said))
    continuation(" ".join(said), "")
    assert max(cells) <= MAX_ALIGNED_WORDS * (MAX_ALIGNED_WORDS + 2 * MAX_DRIFT_WORDS)
