"""A recogniser fails in the middle of an utterance, and another one goes on: no word is lost, none is doubled."""

from random import Random

import pytest

from recognizer_chain import Watching, all_closed, chain, check_nothing_lost, recognize, speech, virtual
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, ReplacedRecognizer
from streamsrv.engines.asr.failover.recognizer import FallbackRecognizer
from streamsrv.errors import EngineError, Rejected, Unavailable
from streamsrv.testing.mortal_recognizer import PLACES, Death, MortalRecognizer, Place


@virtual
async def test_without_a_failure_the_first_one_recognises_alone():
    watching, first, second = Watching(), MortalRecognizer("first"), MortalRecognizer("second")
    transcripts = await recognize(chain(first, second, observer=watching), speech(range(1, 9)))
    check_nothing_lost(transcripts, range(1, 9))
    assert transcripts[-1].model == "first"
    assert transcripts[-1].instead_of is None
    assert (watching.calls, watching.failures, watching.fallbacks) == (["first"], [], [])
    assert watching.seconds == {"first": pytest.approx(8 * 0.48)}
    assert second.opened == 0
    await all_closed(first, second)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("words", [0, 1, 5, 10])
@virtual
async def test_a_failure_anywhere_loses_no_word(place: Place, words: int):
    watching = Watching()
    first, second = MortalRecognizer("first", Death(place, words)), MortalRecognizer("second")
    transcripts = await recognize(chain(first, second, observer=watching), speech(range(1, 11)))
    check_nothing_lost(transcripts, range(1, 11))
    assert transcripts[-1].model == "second"
    assert transcripts[-1].instead_of is not None
    assert transcripts[-1].instead_of.model == "first"
    assert watching.fallbacks == [("first", "second")]
    assert watching.failures == [("first", "unavailable")]
    assert watching.calls == ["first", "second"]
    await all_closed(first, second)


@pytest.mark.parametrize("seed", range(100))
@virtual
async def test_a_recogniser_is_killed_at_a_random_moment(seed: int):
    """Up to two of three recognisers fail in one utterance, which is spoken live or comes at once."""
    random = Random(seed)
    numbers = [random.randint(1, 6) for _ in range(random.randint(1, 60))]  # words recur, as in speech
    numbers = [number for number, before in zip(numbers, [0, *numbers], strict=False) if number != before]
    mortal = [
        MortalRecognizer(
            name,
            Death(random.choice(PLACES), random.randint(0, len(numbers))),
            delay_s=random.choice([0.0, 0.1, 0.6]),
            tentative_words=random.randint(0, 3),
            uppercase=random.random() < 0.5,
        )
        for name in ("first", "second")[: random.randint(1, 2)]
    ]
    last = MortalRecognizer("last", uppercase=random.random() < 0.5, delay_s=random.choice([0.0, 0.2]))
    recognizer = chain(*mortal, last)
    pause_ms = random.choice([64, 160, 480])
    is_early = any(one.death is not None and one.death.place == "early_final" for one in mortal)
    live = is_early or random.random() < 0.8  # a final transcript is early only while audio is still to come
    transcripts = await recognize(recognizer, speech(numbers, pause_ms), live=live)
    check_nothing_lost(transcripts, numbers, pause_ms)
    await all_closed(*mortal, last)


@pytest.mark.parametrize("place", PLACES)
@virtual
async def test_the_last_error_is_told_with_its_cause(place: Place):
    watching = Watching()
    alone = MortalRecognizer("alone", Death(place, 3))
    with pytest.raises(EngineError, match=r"The speech recogniser alone|The provider has gone away\."):
        await recognize(chain(alone, observer=watching), speech(range(1, 6)))
    assert watching.failures == [("alone", "unavailable")]
    assert watching.fallbacks == []
    await all_closed(alone)


@virtual
async def test_when_all_fail_all_causes_are_told():
    dead = [
        MortalRecognizer(name, Death("iterate", n, Unavailable(f"{name} is down."))) for n, name in enumerate("abc")
    ]
    watching = Watching()
    with pytest.raises(Unavailable, match=r"^No speech recogniser can .* a is down\. b is down\. c is down\.$"):
        await recognize(chain(*dead, observer=watching), speech(range(1, 6)))
    assert watching.fallbacks == [("a", "b"), ("b", "c")]
    await all_closed(*dead)


@virtual
async def test_an_unforeseen_error_is_told_without_its_text():
    """It may contain anything, such as a key in a URL."""
    alone = MortalRecognizer("alone", Death("push", 1, ValueError("https://host/?key=sk-secret")))
    with pytest.raises(Unavailable, match=r"^The speech recogniser alone failed\.$"):
        await recognize(chain(alone), speech(range(1, 6)))


@pytest.mark.parametrize("place", ["open", "push", "iterate", "finish"])
@virtual
async def test_a_request_that_is_refused_is_the_callers_to_mend(place: Place):
    refusal = Rejected("no such language", code="invalid_value", param="language")
    first, second = MortalRecognizer("first", Death(place, 2, refusal)), MortalRecognizer("second")
    recognizer = chain(first, second)
    for _ in range(5):
        with pytest.raises(Rejected) as raised:
            await recognize(recognizer, speech(range(1, 5)))
        assert raised.value is refusal
    assert second.opened == 0
    assert recognizer.breakers.state("recognizer", "first") == "closed"
    await all_closed(first)


@virtual
async def test_a_stand_in_that_refuses_does_not_make_it_the_callers_fault():
    dead, refusing = (
        MortalRecognizer("dead", Death("iterate", 1)),
        MortalRecognizer("b", Death("push", 0, Rejected("no"))),
    )
    third = MortalRecognizer("third")
    check_nothing_lost(await recognize(chain(dead, refusing, third), speech(range(1, 6))), range(1, 6))
    with pytest.raises(Unavailable, match=r"gone away\. no$"):
        await recognize(chain(dead, refusing), speech(range(1, 6)))


@virtual
async def test_only_one_that_can_do_what_is_asked_is_given_the_utterance():
    english = MortalRecognizer("english", abilities=Abilities(frozenset({"en"}), prompt=True))
    several = MortalRecognizer("several", abilities=Abilities(frozenset({"en", "de"}), detects_language=True))
    able = MortalRecognizer("able", abilities=Abilities(logprobs=True, translates=True, keywords=True))
    recognizer = chain(english, several, able)

    async def answering(options: RecognitionOptions) -> tuple[str | None, ReplacedRecognizer | None]:
        final = (await recognize(recognizer, speech([1]), options=options))[-1]
        return final.model, final.instead_of

    assert await answering(RecognitionOptions(language="en")) == ("english", None)
    assert await answering(RecognitionOptions(language="de")) == ("several", None)
    assert await answering(RecognitionOptions(languages=("en", "de"))) == ("several", None)
    assert await answering(RecognitionOptions(language="ko")) == ("able", None)
    assert await answering(RecognitionOptions(task="translate")) == ("able", None)
    assert await answering(RecognitionOptions(logprobs=True)) == ("able", None)
    english.death = Death("iterate")
    several.death = Death("iterate")
    options = RecognitionOptions(language="en", prompt="a style", keywords=("a name",))
    assert (await answering(options))[0] == "able"
    assert english.options[-1] == RecognitionOptions(language="en", prompt="a style")
    assert several.options[-1] == RecognitionOptions(language="en")
    assert able.options[-1] == RecognitionOptions(language="en", keywords=("a name",))
    with pytest.raises(Rejected, match="language fr"):
        await recognize(chain(english, several), speech([1]), options=RecognitionOptions(language="fr"))


def test_its_parts_are_its_recognisers_with_their_stand_ins():
    recognizer = FallbackRecognizer([MortalRecognizer(name) for name in "abc"])
    assert recognizer.name == "a"
    assert recognizer.parts == {"a": ("b", "c"), "b": ("c",), "c": ()}
