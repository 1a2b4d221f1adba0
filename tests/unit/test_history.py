"""The context that a small model gets, and the part of its answer that is spoken."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.llm.base import Delta, Finished, Message, Reasoning, Text, Usage
from streamsrv.engines.llm.context.answerable import answerable
from streamsrv.engines.llm.context.tokens import estimated_tokens
from streamsrv.engines.llm.context.turns import last_turns
from streamsrv.engines.llm.llama.slots import SlotAssignment, SlotTable
from streamsrv.engines.llm.llama.small_model import EXAMPLES, STYLE, SpokenAnswer, guided

ROOMY = 100_000


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


SYSTEM = Message("system", "Be kind.")
TALK = [SYSTEM, user("one"), assistant("1"), user("two"), assistant("2"), user("three")]


# --- turns ------------------------------------------------------------------------------------------------------------


def test_earlier_turns_are_left_out_and_instructions_stay():
    assert last_turns(TALK, 1, ROOMY) == [SYSTEM, *TALK[3:]]
    assert last_turns(TALK, 0, ROOMY) == [SYSTEM, user("three")]


def test_a_short_conversation_stays_whole():
    assert last_turns(TALK, 2, ROOMY) == TALK
    assert last_turns(TALK, 9, ROOMY) == TALK
    assert last_turns([SYSTEM], 2, ROOMY) == [SYSTEM]
    assert last_turns([], 2, ROOMY) == []


def test_turns_leave_in_blocks_so_that_most_prompts_begin_like_the_one_before():
    talk: list[Message] = []
    first: list[str] = []
    for number in range(10):
        talk += [user(f"q{number}"), assistant(f"a{number}")]
        first.append(last_turns(talk[:-1], 2, ROOMY)[0].content)
    assert first == ["q0", "q0", "q0", "q0", "q2", "q2", "q4", "q4", "q6", "q6"]


def test_user_messages_in_a_row_are_one_turn():
    talk = [user("a"), assistant("b"), user("c"), user("d")]
    assert last_turns(talk, 0, ROOMY) == [user("c"), user("d")]


def test_turns_are_left_out_until_the_rest_fits():
    room = estimated_tokens([SYSTEM, *TALK[3:]])
    assert last_turns(TALK, 9, room) == [SYSTEM, *TALK[3:]]
    assert last_turns(TALK, 9, room - 1) == [SYSTEM, user("three")]


def test_the_latest_turn_is_never_left_out():
    assert last_turns(TALK, 9, 0) == [SYSTEM, user("three")]


@given(
    st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.text(max_size=20))),
    st.integers(0, 5),
    st.integers(0, 200),
)
def test_what_is_kept_is_in_order_and_ends_like_the_conversation(talk: list[Message], turns: int, tokens: int):
    kept = last_turns(talk, turns, tokens)
    rest = iter(talk)
    assert all(any(message is other for other in rest) for message in kept)
    assert kept[-1:] == talk[-1:]
    assert [message for message in kept if message.role == "system"] == [m for m in talk if m.role == "system"]


def test_there_is_always_something_to_answer():
    assert answerable([]) == [user("Hello!")]
    assert answerable([SYSTEM]) == [SYSTEM, user("Hello!")]
    assert answerable(TALK) == TALK
    assert answerable(TALK[:3]) == [*TALK[:3], user("(silence)")]


def test_all_guided_prompts_begin_alike():
    messages = guided(TALK)
    assert messages[0] == Message("system", f"{STYLE} Be kind.")
    assert messages[1 : 1 + 2 * len(EXAMPLES)] == guided(())[1:]
    assert messages[1 + 2 * len(EXAMPLES) :] == TALK[1:]


# --- slots ------------------------------------------------------------------------------------------------------------


def talk_of(name: str, turns: int) -> list[Message]:
    """What a conversation is after some turns: it ends with a question."""
    said = [message for n in range(turns) for message in (user(f"{name}{n}?"), assistant(f"{name}{n}."))]
    return [SYSTEM, *said, user(f"{name}{turns}?")]


def give(slots: SlotTable, messages: list[Message]) -> int:
    slot = slots.take(messages).slot
    slots.release(slot)
    return slot


def test_conversations_spread_over_the_slots_and_stay_there():
    slots = SlotTable(3)
    homes = {name: give(slots, talk_of(name, 1)) for name in "abc"}
    assert sorted(homes.values()) == [0, 1, 2]
    for turns in range(2, 9):
        for name in "cab":
            assert give(slots, last_turns(talk_of(name, turns), 2, ROOMY)) == homes[name]


def test_a_message_that_grows_or_changes_stays_in_its_slot():
    slots = SlotTable(3)
    give(slots, [SYSTEM])
    slots.share_latest()
    home = give(slots, [SYSTEM, user("Could you tell me what the")])
    assert give(slots, [SYSTEM, user("Could you tell me what the weather will be like")]) == home
    assert give(slots, [SYSTEM, user("Could you tell me what the whether")]) == home


def test_other_messages_that_begin_with_the_same_words_get_other_slots():
    slots = SlotTable(3)
    give(slots, [SYSTEM])
    slots.share_latest()
    asked = ("What is the time in Lisbon?", "What is the capital of Spain?", "What?")
    assert len({give(slots, [SYSTEM, user(text)]) for text in asked}) == 3


def test_a_new_conversation_takes_the_slot_that_was_unused_for_longest():
    slots = SlotTable(2)
    give(slots, talk_of("a", 1))
    home = give(slots, talk_of("b", 1))
    give(slots, talk_of("a", 2))
    assert give(slots, talk_of("new", 1)) == home


def test_a_conversation_stays_although_another_began_with_the_same_words():
    slots = SlotTable(3)
    greeted = [user("Hello!"), assistant("Hi!"), user("Who are you?")]
    for _ in range(3):
        give(slots, greeted[:1])
    home = give(slots, greeted)
    assert give(slots, [*greeted, assistant("Me."), user("I see.")]) == home


def test_conversations_about_the_same_things_stay_apart():
    """Each asks what another asked before, and gets the same answers."""
    slots = SlotTable(3)
    give(slots, [SYSTEM])
    slots.share_latest()

    def talk(first: int, turns: int) -> list[Message]:
        topics = [(first + n) % 10 for n in range(turns + 1)]
        said = [message for topic in topics for message in (user(f"{topic}?"), assistant(f"{topic}."))]
        return [SYSTEM, *said[:-1]]

    homes = [give(slots, talk(first, 0)) for first in range(3)]
    for turns in range(1, 9):
        assert [give(slots, talk(first, turns)) for first in range(3)] == homes


def test_what_one_slot_has_read_can_be_shared():
    slots = SlotTable(3)
    give(slots, [SYSTEM])
    latest, *others = slots.share_latest()
    assert sorted([latest, *others]) == [0, 1, 2]
    homes = {name: slots.take(talk_of(name, 0)).slot for name in "abc"}
    assert sorted(homes.values()) == [0, 1, 2]


def test_a_busy_slot_is_not_given_away():
    slots = SlotTable(2)
    busy = slots.take(talk_of("a", 1)).slot
    assert slots.take(talk_of("a", 2)).slot != busy


def assigned(slots: SlotTable, messages: list[Message]) -> SlotAssignment:
    assigned = slots.take(messages)
    slots.release(assigned.slot)
    return assigned


def test_an_evicted_conversation_is_saved_and_restored():
    slots = SlotTable(1, max_saved=2)
    assert assigned(slots, talk_of("a", 1)) == SlotAssignment(0)
    assert assigned(slots, talk_of("b", 1)) == SlotAssignment(0, save=0)
    assert assigned(slots, talk_of("a", 2)) == SlotAssignment(0, save=1, restore=0)
    assert assigned(slots, talk_of("a", 3)) == SlotAssignment(0)
    assert assigned(slots, talk_of("b", 2)) == SlotAssignment(0, save=2, restore=1)


def test_the_oldest_saved_conversation_is_deleted():
    slots = SlotTable(1, max_saved=2)
    for name in "abc":
        assigned(slots, talk_of(name, 1))
    assert assigned(slots, talk_of("d", 1)) == SlotAssignment(0, save=2, delete=0)
    assert assigned(slots, talk_of("a", 2)) == SlotAssignment(0, save=3, delete=1)
    assert assigned(slots, talk_of("c", 2)) == SlotAssignment(0, save=4, restore=2)


def test_the_common_prefix_of_all_prompts_is_not_saved():
    slots = SlotTable(2, max_saved=2)
    give(slots, [SYSTEM])
    slots.share_latest()
    assert slots.take(talk_of("a", 1)).save is None
    assert slots.take(talk_of("b", 1)).save is None


# --- answers ----------------------------------------------------------------------------------------------------------


def speak(*texts: str, reason: str = "stop") -> tuple[str, list[str]]:
    """What of an answer is spoken: the whole, and the pieces as they passed."""
    answer = SpokenAnswer()
    passed: list[Delta] = []
    for text in texts:
        passed += answer.take([Text(text)])
    passed += answer.close([Usage(1, 1), Finished(reason)])  # type: ignore[arg-type]
    assert passed[-2:] == [Usage(1, 1), Finished(reason)]  # type: ignore[arg-type]
    pieces = [delta.text for delta in passed if isinstance(delta, Text)]
    assert "" not in pieces
    return "".join(pieces), pieces


def test_the_first_sentence_passes_as_it_comes_and_later_ones_whole():
    whole, pieces = speak("It", " is", " big.", " It", " is", " red.", " Yes")
    assert whole == "It is big. It is red. Yes"
    assert pieces == ["It", " is", " big.", " It is red.", " Yes"]


def test_a_repeated_sentence_ends_the_answer():
    answer = SpokenAnswer()
    assert answer.take([Text("Keep cool. Sleep well. Keep  COOL. And")]) == [Text("Keep cool. Sleep well.")]
    assert answer.ended
    assert answer.take([Text(" more. ")]) == []
    assert answer.close([Finished("stop")]) == [Finished("stop")]


def test_a_repeated_last_sentence_is_not_spoken():
    assert speak("I am sorry. I am sorry.")[0] == "I am sorry."


def test_a_fragment_at_the_token_limit_is_not_spoken():
    assert speak("It is big. It is very", reason="max_output_tokens")[0] == "It is big."
    assert speak("It is big. It is very", reason="stop")[0] == "It is big. It is very"


def test_a_fragment_is_better_than_silence():
    assert speak("It is very", reason="max_output_tokens")[0] == "It is very"


@pytest.mark.parametrize(
    "loop", ["of the balcony " * 20, "ha " * 40, "the state of the art and the balcony of the house, " * 8]
)
def test_a_loop_within_a_sentence_ends_the_answer(loop: str):
    answer = SpokenAnswer()
    for word in loop.split():
        answer.take([Text(f"{word} ")])
    assert answer.ended


def test_emphasis_is_no_loop():
    assert (
        speak("That is very, very, very good news for you all.")[0] == "That is very, very, very good news for you all."
    )


def test_numbers_of_a_list_belong_to_their_sentences():
    assert speak("1. Eat. 2. Sleep. 3. Go")[1] == ["1. Eat. 2. Sleep.", " 3. Go"]
    assert speak("It is 3.5 m. Or 4.")[1] == ["It is 3.5 m.", " Or 4."]


def test_reasoning_passes_at_once():
    assert SpokenAnswer().take([Reasoning("hm")]) == [Reasoning("hm")]


@given(st.lists(st.sampled_from(["Yes.", "No.", " ", "one", "two", "\n", "3.", "Why?"]), max_size=30), st.data())
def test_what_is_spoken_is_a_beginning_of_the_answer_however_it_is_cut(words: list[str], data: st.DataObject):
    text = "".join(words)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)) | {0, len(text)})
    spoken, _ = speak(*(text[start:end] for start, end in pairwise(cuts)))
    assert text.startswith(spoken)
