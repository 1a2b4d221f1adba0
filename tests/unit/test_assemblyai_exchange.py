"""Utterances over one connection to a simulated AssemblyAI, in virtual time, with connections that are lost."""

from itertools import pairwise

import pytest

from simulated_assemblyai import Heard, ProviderTraits, SimulatedSession, speech, text_of
from streamsrv.engines.asr.universal_streaming import exchange as assemblyai_exchange
from streamsrv.engines.asr.universal_streaming.exchange import MAX_KEPT_SAMPLES, ExchangeLimits
from streamsrv.engines.asr.universal_streaming.protocol import Cause, Problem
from streamsrv.errors import Overloaded, Rejected, Unavailable


def assert_stable_text_only_grows(heard: Heard) -> None:
    partial = heard.transcripts[:-1]
    assert all(after.stable.startswith(before.stable) for before, after in pairwise(partial))
    for transcript in partial:
        words = transcript.text.split()
        assert len(set(words)) == len(words), f"a word is doubled in {transcript.text}"


def test_ten_utterances_of_a_session_use_one_connection():
    session = SimulatedSession()
    heard = [Heard(speech(range(10 * i + 1, 10 * i + 6))) for i in range(10)]
    session.say(*heard)
    assert [each.text for each in heard] == [text_of(range(10 * i + 1, 10 * i + 6)) for i in range(10)]
    assert len(session.connections) == 1
    assert session.connections[0].received.count("ForceEndpoint") == 10


def test_frames_have_50_to_1000_ms():
    session = SimulatedSession()
    session.say(Heard(speech(range(1, 30))), Heard(speech([1])[:300]), Heard(speech(range(1, 30))))
    assert all(50 <= ms <= 1000 for ms in session.connections[0].frames_ms)


def test_words_have_the_times_of_their_utterance():
    session = SimulatedSession()
    heard = [Heard(speech([1, 2, 3])), Heard(speech([4, 5, 6]))]
    session.say(*heard)
    for each in heard:
        times = [(word.start_ms, word.end_ms) for word in each.transcripts[-1].words]
        assert times == [(100, 340), (420, 660), (740, 980)]


def test_an_utterance_opened_before_the_last_one_is_final_keeps_its_words():
    session = SimulatedSession(ProviderTraits(delay_ms=1500))
    heard = [Heard(speech([10 * i + 1, 10 * i + 2])) for i in range(5)]
    session.say(*heard, gap_ms=0)
    assert [each.text for each in heard] == [text_of([10 * i + 1, 10 * i + 2]) for i in range(5)]


def test_a_long_utterance_has_several_turns():
    session = SimulatedSession()
    heard = Heard(speech(range(1, 60), {20: 3000, 40: 2500}))
    session.say(heard)
    assert heard.text == text_of(range(1, 60))
    assert_stable_text_only_grows(heard)


def test_a_formatted_turn_that_never_comes_is_done_without():
    session = SimulatedSession(ProviderTraits(formats=False))
    heard = Heard(speech([1, 2, 3]))
    session.say(heard)
    assert heard.text == "w1 w2 w3"


def test_duplicate_finals_do_not_double_words():
    session = SimulatedSession(ProviderTraits(duplicates_finals=True))
    heard = [Heard(speech(range(1, 9), {4: 2500})), Heard(speech([11, 12]))]
    session.say(*heard)
    assert [each.text for each in heard] == [text_of(range(1, 9)), "w11 w12"]


@pytest.mark.parametrize("answers", [False, True])
def test_silence_is_no_text(answers: bool):
    session = SimulatedSession(ProviderTraits(answers_empty_turns=answers))
    heard = [Heard(speech([])), Heard(speech([1])), Heard(speech([])[:0])]
    session.say(*heard)
    assert [each.text for each in heard] == ["", "w1", ""]
    assert len(session.connections) == 1


def test_speech_in_which_no_word_is_found_is_asked_for_by_ending_the_session():
    session = SimulatedSession()
    cough = speech([1])[: 148 * 16]
    heard = [Heard(cough), Heard(speech([1, 2]))]
    session.say(*heard)
    assert [each.text for each in heard] == ["", "w1 w2"]
    assert session.connections[0].received[-1] == "Terminate"


def test_a_dropped_utterance_leaves_no_words_in_the_next_one():
    session = SimulatedSession()
    dropped = Heard(speech(range(1, 9)), drops_after_ms=1500)
    heard = Heard(speech([11, 12]))
    session.say(dropped, heard)
    assert heard.text == "w11 w12"
    assert not any(transcript.is_final for transcript in dropped.transcripts)
    assert len(session.connections) == 1


@pytest.mark.parametrize("seed", range(100))
def test_random_losses_lose_no_word_and_double_none(seed: int):
    session = SimulatedSession(ProviderTraits(delay_ms=[50, 200, 600][seed % 3]), seed=seed)
    random = session.random
    words = [range(100 * i + 1, 100 * i + random.randint(4, 14)) for i in range(3)]
    heard = [Heard(speech(each, {n: random.choice([80, 80, 300, 2300]) for n in each})) for each in words]
    total_ms = sum(len(each.pcm) for each in heard) / 16
    session.kills_ms.extend(sorted(random.uniform(0, total_ms + 2000) for _ in range(random.randint(1, 5))))
    session.say(*heard, gap_ms=random.choice([0, 400]))
    assert [each.text for each in heard] == [text_of(each) for each in words]
    for each in heard:
        assert_stable_text_only_grows(each)


@pytest.mark.parametrize("ms", range(100, 2600, 100))
def test_a_loss_at_any_moment_of_an_utterance(ms: int):
    session = SimulatedSession()
    session.kills_ms.append(100 + ms)
    heard = Heard(speech(range(1, 8)))
    session.say(heard)
    assert heard.text == text_of(range(1, 8))
    assert_stable_text_only_grows(heard)


def test_what_an_ended_turn_covers_is_not_sent_again():
    session = SimulatedSession()
    heard = Heard(speech(range(1, 40), {20: 2500}))
    session.kills_ms.append(11_000)
    session.say(heard)
    assert heard.text == text_of(range(1, 40))
    assert sum(session.connections[1].frames_ms) < sum(session.connections[0].frames_ms)
    assert session.max_kept < 12 * 16_000


def test_a_turn_without_a_pause_is_ended_before_it_fills_the_memory():
    session = SimulatedSession()
    heard = Heard(speech(range(1, 400), dict.fromkeys(range(0, 400, 10), 200)))
    session.say(heard)
    assert heard.text == text_of(range(1, 400))
    assert session.max_kept < 60 * 16_000


def test_a_silent_microphone_costs_no_memory():
    session = SimulatedSession()
    heard = Heard(speech([1], {1: 60_000}))
    session.say(heard)
    assert session.max_kept < 20 * 16_000


def test_a_provider_that_is_gone_is_unavailable_after_some_tries():
    session = SimulatedSession()
    session.refuses = Problem(Cause.LOST, "cannot be reached")
    heard = Heard(speech(range(1, 40)))
    session.say(heard)
    assert isinstance(heard.error, Unavailable)
    assert str(heard.error) == "provider: cannot be reached."
    assert session.exchange.kept == 0


def test_audio_waits_while_there_is_no_connection():
    session = SimulatedSession()
    session.connect_ms = 3000
    heard = Heard(speech(range(1, 20)))
    session.say(heard)
    assert heard.text == text_of(range(1, 20))


def test_waiting_audio_is_bounded():
    session = SimulatedSession()
    session.connect_ms = 1e9
    heard = Heard(speech(range(1, 500)))
    session.say(heard, at_once=True, patience_ms=0)
    assert isinstance(heard.error, Overloaded)
    assert session.max_kept <= MAX_KEPT_SAMPLES


def test_audio_is_not_sent_much_faster_than_real_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(assemblyai_exchange, "MAX_LEAD_S", 60)
    session = SimulatedSession()
    heard = Heard(speech(range(1, 300)))
    session.say(heard, at_once=True, patience_ms=2000)
    assert 60_000 <= sum(session.connections[0].frames_ms) < 65_000
    session.run(60_000)
    assert heard.text == text_of(range(1, 300))


def test_a_recording_is_not_slowed_down_to_real_time():
    session = SimulatedSession()
    heard = [Heard(speech(range(100 * i + 1, 100 * i + 81))) for i in range(10)]
    for each in heard:
        session.say(each, at_once=True)
    assert [each.text for each in heard] == [text_of(range(100 * i + 1, 100 * i + 81)) for i in range(10)]
    assert session.now_ms < 10_000  # of more than four minutes of audio
    assert all(sum(connection.frames_ms) < 200_000 for connection in session.connections)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (Cause.KEY_REFUSED, Unavailable),
        (Cause.UNPAID, Unavailable),
        (Cause.OVERLOADED, Overloaded),
        (Cause.REFUSED, Unavailable),
        (Cause.GARBAGE, Unavailable),
        (Cause.KEYTERMS_REFUSED, Unavailable),
    ],
)
def test_what_another_connection_would_not_mend_is_not_tried_again(cause: Cause, kind: type[Exception]):
    session = SimulatedSession()
    session.refuses = Problem(cause, "no")
    heard = Heard(speech(range(1, 9)))
    session.say(heard)
    assert type(heard.error) is kind
    assert getattr(heard.error, "refuses_key", False) is (cause is Cause.KEY_REFUSED)
    session.refuses = None
    again = Heard(speech([1, 2]))
    session.say(again)
    assert again.text == "w1 w2"


def test_a_provider_that_stalls_is_given_up():
    session = SimulatedSession(ProviderTraits(delay_ms=10_000_000), ExchangeLimits(stall_s=2, final_s=2))
    heard = Heard(speech(range(1, 20)))
    session.say(heard)
    assert isinstance(heard.error, Unavailable)
    assert "does not answer" in str(heard.error)


def test_a_short_word_to_a_provider_that_stalls_is_not_taken_for_silence():
    session = SimulatedSession(ProviderTraits(delay_ms=10_000_000))
    heard = Heard(speech([1]))
    session.say(heard)
    assert isinstance(heard.error, Unavailable)


def test_late_answers_are_waited_for():
    session = SimulatedSession(ProviderTraits(delay_ms=1900))
    heard = [Heard(speech([1, 2, 3])), Heard(speech([4]))]
    session.say(*heard)
    assert [each.text for each in heard] == ["w1 w2 w3", "w4"]


def test_an_idle_connection_is_ended_and_the_next_utterance_opens_another():
    session = SimulatedSession(limits=ExchangeLimits(idle_s=5))
    first, second = Heard(speech([1, 2])), Heard(speech([3, 4]))
    session.say(first)
    session.run(10_000)
    assert session.connections[0].received[-1] == "Terminate"
    session.run(10_000)
    assert len(session.connections) == 1
    session.say(second)
    assert (first.text, second.text) == ("w1 w2", "w3 w4")
    assert len(session.connections) == 2


def test_a_muted_microphone_keeps_the_connection_alive():
    session = SimulatedSession(limits=ExchangeLimits(keep_alive_s=3))
    session.say(Heard(speech([1])))
    session.run(10_000)
    assert session.connections[0].received.count("KeepAlive") == 3


def test_refused_keywords_are_the_fault_of_the_client():
    session = SimulatedSession()
    session.refuses = Problem(Cause.KEYTERMS_REFUSED, "keyterms_prompt is too long")
    heard = Heard(speech([1]))
    from streamsrv.engines.asr.universal_streaming.utterance import WireUtterance

    errors: list[Exception] = []
    session.exchange.open(WireUtterance({"keyterms_prompt": ("x",)}, heard.transcripts.append, errors.append))
    session.run(1000)
    assert isinstance(errors[0], Rejected)
    assert errors[0].param == "keywords"
