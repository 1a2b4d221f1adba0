"""How English texts end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.turns.sentence_endings import Ending, ending_of

EXAMPLES = {
    Ending.UNKNOWN: ["", "  ", "...", "♪"],
    Ending.OPEN: [
        "the weather in",
        "The weather in.",
        "I want to",
        "turn on",
        "Turn on the",
        "What time is",
        "Tell me what is",
        "It was late and I",
        "Call Mr.",
        "because",
        "My name is",
        "Tell me",
        "but I think.",
        "Can you",
        "I'd like",
        "What is the?",
        "they’re",
    ],
    Ending.HESITATION: [
        "um",
        "I need, um,",
        "Let me see.",
        "It's, you know,",
        "Okay, I mean.",
        "Well,",
        "I want it. So",
    ],
    Ending.DEPENDENT: ["If it rains tomorrow", "When the train leaves.", "Sure. Although he knew it."],
    Ending.NUMBER: [
        "My number is 5 5 5",
        "five five five",
        "it's two hundred",
        "0151",
        "On May 4",
        "My code is twenty one.",
    ],
    Ending.SPELLING: ["B O B", "My name is J, A.", "M."],
    Ending.CALL: ["Hey computer.", "hello", "Hi there!"],
    Ending.CLAUSE: ["In the end,", "Some glory in their birth,", "However, due to the slow communication channel,"],
    Ending.LISTING: ["I need apples, pears", "I need apples, pears,", "apples, pears, plums.", "Orphans,"],
    Ending.FRAGMENT: ["Montreal.", "Great picture", "Six.", "that one"],
    Ending.UNMARKED: ["we went to the station", "Turn the light on.", "apples, pears and plums", "come in"],
    Ending.STATEMENT: [
        "I don't know what it is.",
        "It fell over, I think.",
        "I live in Paris.",
        "It works well!",
        "He left. No more rain today.",
        "I want that one.",
    ],
    Ending.QUESTION: [
        "What time is it?",
        "what time is it",
        "is the front door locked",
        "do you know where my phone is",
        "What are you looking for?",
        "how old is the bridge",
        "You said so?",
        "Why?",
        "Do you know?",
        "What's two plus two?",
    ],
    Ending.COMMAND: ["Lock the front door.", "please stop the music", "And then, please, tell me a joke", "Help me."],
    Ending.ANSWER: [
        "yes",
        "No,",
        "No thanks.",
        "Um, okay.",
        "Stop!",
        "I don't know.",
        "Of course.",
        "The red one, please.",
        "Two tickets. That's all.",
        "Yes, I am.",
        "Mm-hmm.",
    ],
}


@pytest.mark.parametrize(
    ("text", "expected"), [(text, ending) for ending, texts in EXAMPLES.items() for text in texts], ids=str
)
def test_examples(text: str, expected: Ending):
    assert ending_of(text) is expected


@given(st.text())
def test_any_text_has_an_ending(text: str):
    assert isinstance(ending_of(text), Ending)


@given(st.sampled_from([text for texts in EXAMPLES.values() for text in texts]))
def test_case_and_space_around_do_not_matter(text: str):
    assert ending_of(f" {text.upper()} ") is ending_of(text)


@pytest.mark.parametrize("last", ["the", "and", "because", "my"])
@given(st.sampled_from([text for texts in EXAMPLES.values() for text in texts]))
def test_nothing_is_complete_after_a_word_that_needs_another(last: str, text: str):
    assert ending_of(f"{text} {last}.") is Ending.OPEN
