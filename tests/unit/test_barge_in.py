"""Speech while a reply plays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.turns.barge_in import Overlap, Verdict, classify

PLAYING = "The capital of France is Paris, and it lies on the Seine."


def verdict(
    text: str = "",
    *,
    at_pause: bool = False,
    speech_ms: int = 400,
    pause_ms: int = 0,
    is_over: bool = False,
    quieter_db: float | None = None,
    since_hold_ms: int | None = None,
    over_echo_db: float | None = None,
    stable: str = "",
    resembles: float | None = None,
    began_after: bool = False,
    playing: str = PLAYING,
    language: str | None = "en",
) -> Verdict:
    overlap = Overlap(
        text=text,
        at_pause=at_pause,
        speech_ms=speech_ms,
        pause_ms=pause_ms,
        playing=playing,
        is_over=is_over,
        quieter_db=quieter_db,
        since_hold_ms=since_hold_ms,
        over_echo_db=over_echo_db,
        stable=stable,
        resembles=resembles,
        began_after=began_after,
        language=language,
    )
    return classify(overlap)


@pytest.mark.parametrize("text", ["Stop.", "No, wait", "what about Rome", "yes but", "Tuesday", "I see a bug"])
def test_words_with_a_meaning_interrupt(text: str):
    assert verdict(text) is Verdict.INTERRUPTED


@pytest.mark.parametrize("text", ["Mhm.", "Yeah, yeah.", "Right", "Uh huh", "okay", "Oh, wow!", "Yeah, I see."])
def test_backchannels_do_not(text: str):
    assert verdict(text) is Verdict.UNDECIDED
    assert verdict(text, at_pause=True, pause_ms=100) is Verdict.DISREGARDED


def test_a_short_sound_without_words_is_a_noise():
    assert verdict(speech_ms=96, pause_ms=128) is Verdict.UNDECIDED
    assert verdict(speech_ms=96, pause_ms=416) is Verdict.DISREGARDED
    assert verdict("Stop.", speech_ms=160, pause_ms=160, at_pause=True) is Verdict.INTERRUPTED


def test_when_the_reply_is_over_a_short_sound_waits_for_its_words():
    assert verdict(speech_ms=160, pause_ms=600, is_over=True) is Verdict.UNDECIDED


def test_a_longer_sound_waits_for_its_words():
    assert verdict(speech_ms=400, pause_ms=128) is Verdict.UNDECIDED
    assert verdict(speech_ms=400, pause_ms=200, at_pause=True) is Verdict.DISREGARDED


def test_speech_that_goes_on_interrupts_without_words():
    assert verdict(speech_ms=900, quieter_db=1) is Verdict.INTERRUPTED, "as loud as the user"
    assert verdict(speech_ms=900, since_hold_ms=800) is Verdict.INTERRUPTED, "the reply is silent"
    assert verdict(speech_ms=900, playing="") is Verdict.INTERRUPTED, "nothing has been played"
    assert verdict("mhm", speech_ms=900) is Verdict.INTERRUPTED


def test_speech_that_may_be_an_echo_waits_longer_for_its_words():
    assert verdict(speech_ms=900) is Verdict.UNDECIDED
    assert verdict(speech_ms=1500) is Verdict.INTERRUPTED
    assert verdict(speech_ms=1500, resembles=0.9) is Verdict.UNDECIDED
    assert verdict(speech_ms=4000, resembles=0.9) is Verdict.INTERRUPTED


def test_the_first_words_of_what_sounds_like_the_reply_are_not_believed():
    assert verdict("One supplier,", resembles=0.9) is Verdict.UNDECIDED
    assert verdict("One supplier,", resembles=0.5) is Verdict.INTERRUPTED
    assert verdict("One supplier,", resembles=0.9, quieter_db=0) is Verdict.UNDECIDED
    assert verdict("One supplier,", resembles=0.8, quieter_db=0) is Verdict.INTERRUPTED
    assert verdict("What about Rome", stable="What about", resembles=0.9) is Verdict.INTERRUPTED
    assert verdict("What about Rome", at_pause=True, pause_ms=64, resembles=0.9) is Verdict.INTERRUPTED
    assert verdict("Stop", resembles=0.9) is Verdict.INTERRUPTED


@pytest.mark.parametrize(
    "text",
    [
        "The capital, the capital,",
        "The capital of trance is parish",
        "and it lies on this sane",
        "of France is Paris, and",
    ],
)
def test_an_echo_that_is_misheard_does_not_interrupt(text: str):
    assert verdict(text, speech_ms=1200) is Verdict.UNDECIDED
    assert verdict(text, speech_ms=1200, at_pause=True, pause_ms=96) is Verdict.DISREGARDED


@pytest.mark.parametrize(
    ("playing", "text"),
    [
        ("That is $25.99 plus 8% tax.", "that is twenty-five dollars and ninety-nine cents plus eight percent"),
        ("It rains on the 3rd.", "it rains on the third"),
        ("It has twenty-five doors.", "It has 25 doors"),
    ],
)
def test_numbers_of_an_echo_are_compared_as_they_are_said(playing: str, text: str):
    assert verdict(text, playing=playing, at_pause=True, pause_ms=96) is Verdict.DISREGARDED


def test_who_talks_over_an_echo_interrupts():
    over = "The capital of France is Paris, and it lies on the garage door open"
    assert verdict(over, speech_ms=3000, resembles=0.3) is Verdict.INTERRUPTED
    assert verdict(over, speech_ms=3000, resembles=0.95) is Verdict.UNDECIDED, "it is misheard"


def test_a_pause_of_an_echo_that_is_over_decides_nothing():
    assert verdict("The capital of France", at_pause=True, pause_ms=0) is Verdict.UNDECIDED


def test_an_echo_of_a_recogniser_that_knows_no_pauses_is_disregarded_in_the_end():
    assert verdict("The capital of France", pause_ms=500) is Verdict.UNDECIDED
    assert verdict("The capital of France", pause_ms=1000) is Verdict.DISREGARDED


@pytest.mark.parametrize("text", ["stop", "Stop it", "is Paris nice", "not Paris, Rome", "which river is that"])
def test_other_words_and_calls_interrupt_beside_words_of_the_reply(text: str):
    assert verdict(text, at_pause=True, pause_ms=96) is Verdict.INTERRUPTED


def test_a_call_that_the_reply_just_said_is_the_users_unless_it_is_quiet():
    said = {"playing": "Say stop when you have enough.", "at_pause": True, "pause_ms": 96}
    assert verdict("Stop.", **said) is Verdict.INTERRUPTED
    assert verdict("Stop.", **said, quieter_db=1) is Verdict.INTERRUPTED
    assert verdict("Stop.", **said, quieter_db=10) is Verdict.DISREGARDED
    assert verdict("Stop.", **said, over_echo_db=0) is Verdict.DISREGARDED


def test_who_speaks_after_the_reply_may_repeat_its_words():
    asked = {"playing": "Do you want the red one or the blue one? Say yes or no.", "is_over": True}
    assert verdict("Yes.", **asked, began_after=True, at_pause=True, pause_ms=96) is Verdict.INTERRUPTED
    assert verdict("The blue one.", **asked, began_after=True, at_pause=True, pause_ms=96) is Verdict.INTERRUPTED
    late = verdict("The blue one.", **asked, began_after=True, at_pause=True, pause_ms=96, quieter_db=12)
    assert late is Verdict.DISREGARDED


@pytest.mark.parametrize("text", ["Mum.", "Mom", "Mama", "Ma'am", "Um, mum", "You", "Him.", "Her.", "Well.", "Aha mum"])
def test_a_murmur_that_is_misheard_as_a_word_does_not_interrupt(text: str):
    assert verdict(text, speech_ms=500) is Verdict.UNDECIDED
    assert verdict(text, speech_ms=500, at_pause=True, pause_ms=96) is Verdict.DISREGARDED
    assert verdict(text, speech_ms=500, at_pause=True, pause_ms=96, since_hold_ms=600) is Verdict.DISREGARDED
    assert verdict(text, is_over=True, at_pause=True, pause_ms=96) is Verdict.INTERRUPTED, "then it may be an answer"


@pytest.mark.parametrize("text", ["Hey!", "No.", "Rome", "Mum, stop", "You are wrong", "My mum is here", "Hum a song"])
def test_words_like_murmurs_interrupt_with_others(text: str):
    assert verdict(text, speech_ms=500, at_pause=True, pause_ms=96) is Verdict.INTERRUPTED


def test_a_very_short_sound_is_no_word_unless_it_is_a_call():
    assert verdict("But", speech_ms=160, at_pause=True, pause_ms=96) is Verdict.DISREGARDED
    assert verdict("No", speech_ms=160, at_pause=True, pause_ms=96) is Verdict.INTERRUPTED


@pytest.mark.parametrize("text", ["the capital of France", "of France is Paris and it", "capital of fans is Paris and"])
def test_our_own_voice_does_not_interrupt(text: str):
    assert verdict(text, speech_ms=2000) is Verdict.UNDECIDED
    assert verdict(text, at_pause=True, speech_ms=2000, pause_ms=100) is Verdict.DISREGARDED


def test_one_word_just_played_waits_for_more():
    assert verdict("Seine", speech_ms=2000) is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("quieter_db", "expected"),
    [(0, Verdict.INTERRUPTED), (5, Verdict.INTERRUPTED), (8, Verdict.DISREGARDED), (None, Verdict.DISREGARDED)],
)
def test_one_word_just_played_is_an_echo_if_it_is_quiet(quieter_db: float | None, expected: Verdict):
    assert verdict("Seine", at_pause=True, pause_ms=100, quieter_db=quieter_db) is expected


def test_when_the_reply_is_over_yes_is_an_answer_and_an_echo_still_is_none():
    assert verdict("Yes.", is_over=True) is Verdict.INTERRUPTED
    assert verdict("it lies on the Seine", is_over=True, at_pause=True, pause_ms=100) is Verdict.DISREGARDED


def test_what_falls_silent_when_we_do_was_our_echo_whatever_its_words():
    assert verdict("This took", since_hold_ms=200, pause_ms=96) is Verdict.UNDECIDED
    assert verdict("This took", since_hold_ms=200, pause_ms=320) is Verdict.DISREGARDED
    assert verdict("This took", since_hold_ms=200, pause_ms=320, quieter_db=10) is Verdict.DISREGARDED


def test_a_reply_that_was_held_before_its_first_sound_has_no_echo():
    assert verdict("tiger", since_hold_ms=200, pause_ms=320, playing="") is Verdict.INTERRUPTED


@pytest.mark.parametrize(
    ("text", "traits"),
    [
        ("This took", {"since_hold_ms": 500}),  # it went on
        ("This took", {"since_hold_ms": 200, "quieter_db": 1}),  # as loud as the user
        ("Stop.", {"since_hold_ms": 200}),
    ],
)
def test_people_interrupt_a_reply_that_is_held(text: str, traits: dict[str, float]):
    assert verdict(text, pause_ms=96, **traits) is Verdict.INTERRUPTED


def test_where_there_is_an_echo_who_is_louder_interrupts():
    assert verdict("This took a while", speech_ms=3000, over_echo_db=1) is Verdict.UNDECIDED
    assert verdict("This took a while", speech_ms=3000, over_echo_db=1, pause_ms=320) is Verdict.DISREGARDED
    assert verdict("This took a while", speech_ms=3000, over_echo_db=9) is Verdict.INTERRUPTED
    assert verdict("Stop it", over_echo_db=1) is Verdict.INTERRUPTED


def whole(text: str, language: str | None, **traits: object) -> Verdict:
    return verdict(text, at_pause=True, pause_ms=96, language=language, **traits)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Mama.", "de"),  # "mama" is a misheard hum in English only
        ("Die Mama", "de"),
        ("You", "nl"),
        ("Sure", "fr"),
        ("Well", "de"),
        ("Um", "pt"),  # the article or the number
        ("No.", "it"),
        ("Hold", "hu"),  # the moon
        ("Cool", None),
        ("Yeah, yeah.", None),
        ("はい、待って", "ja"),
        ("不对", "zh"),
    ],
)
def test_english_words_that_mean_go_on_mean_nothing_in_another_language(text: str, language: str | None):
    assert whole(text, language) is Verdict.INTERRUPTED


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ja, genau.", "de"),
        ("Ach so.", "de"),
        ("Oui, d'accord.", "fr"),
        ("Vale.", "es"),
        ("No tak.", "pl"),
        ("Ага.", "ru"),
        ("なるほど。", "ja"),
        ("嗯嗯", "zh"),
        ("네, 그렇군요.", "ko"),
        ("हाँ जी", "hi"),
    ],
)
def test_each_language_has_its_own_backchannels(text: str, language: str):
    assert whole(text, language) is Verdict.DISREGARDED
    assert whole(text, "hu") is Verdict.INTERRUPTED, "they are words of that language alone"


@pytest.mark.parametrize("language", ["en", "de", "hu", None])
def test_a_hum_is_no_word_of_any_language(language: str | None):
    assert whole("Mhm.", language) is Verdict.DISREGARDED


@pytest.mark.parametrize(
    ("text", "language"), [("Stopp!", "de"), ("No.", "es"), ("停", "zh"), ("やめて", "ja"), ("Нет", "ru")]
)
def test_stop_words_are_heard_in_the_midst_of_an_echo(text: str, language: str):
    held = {"since_hold_ms": 200, "playing": "Bla bla."}
    assert whole(text, language, **held) is Verdict.INTERRUPTED


@pytest.mark.parametrize(("text", "language"), [("Hold", "hu"), ("Pause", None), ("Hey", "nl"), ("No", "pl")])
def test_english_stop_words_are_no_calls_in_another_language(text: str, language: str | None):
    held = {"since_hold_ms": 200, "playing": "Bla bla.", "pause_ms": 320}
    assert verdict(text, at_pause=True, language=language, **held) is Verdict.DISREGARDED  # pyright: ignore[reportArgumentType]


def test_one_character_of_a_syllabic_script_tells_more_than_a_letter():
    assert whole("But", "en", speech_ms=160) is Verdict.DISREGARDED
    assert whole("巴黎", "zh", speech_ms=160) is Verdict.INTERRUPTED


def test_numbers_of_an_echo_are_compared_as_the_language_says_them():
    said = {"playing": "Das kostet 25 Euro."}
    assert whole("das kostet fünfundzwanzig Euro", "de", **said) is Verdict.DISREGARDED
    assert whole("fünfundzwanzig", "de", playing="25") is Verdict.DISREGARDED
    assert whole("fünfundzwanzig", "en", playing="25") is Verdict.INTERRUPTED
    assert whole("das kostet 25 Euro", None, **said) is Verdict.DISREGARDED, "as it is written"


@given(st.builds(Overlap, speech_ms=st.integers(0, 3000), pause_ms=st.integers(0, 3000)))
def test_every_case_has_a_verdict(overlap: Overlap):
    assert isinstance(classify(overlap), Verdict)


@pytest.mark.parametrize(
    ("below_reply_db", "expected"),
    [(2.0, Verdict.INTERRUPTED), (20.0, Verdict.DISREGARDED), (None, Verdict.DISREGARDED)],
)
def test_a_short_word_over_the_first_reply_of_a_telephone_call_is_an_echo_only_if_it_is_soft(
    below_reply_db: float | None, expected: Verdict
):
    overlap = Overlap(
        text="hello",
        at_pause=True,
        speech_ms=320,
        pause_ms=300,
        playing=PLAYING,
        since_hold_ms=288,
        below_reply_db=below_reply_db,
        language="en",
    )
    assert classify(overlap) is expected
