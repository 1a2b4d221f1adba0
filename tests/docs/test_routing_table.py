"""The router's decisions about 200 labelled utterances; docs/routing.md has their confusion matrix."""

import pytest

from routing_table import BEGIN, DOCUMENT, END, LEVELS, SPLITS, WANTED, matrix, share_right, tables, utterances


def test_there_are_200_utterances_of_each_complexity() -> None:
    found = utterances()
    assert len(found) == len({(each.before, each.text) for each in found}) == 200
    assert {each.complexity for each in found} == set(LEVELS)
    assert {each.split for each in found} == set(SPLITS)


def test_the_matrix_in_the_document_is_the_measured_one() -> None:
    _, _, rest = DOCUMENT.read_text().partition(BEGIN)
    written, _, _ = rest.partition(END)
    assert written.strip() == tables().strip(), "run python tests/docs/routing_table.py"


@pytest.mark.parametrize(("split", "at_least"), [("development", 0.95), ("held out", 0.75)])
def test_most_utterances_are_taken_for_what_they_are(split: str, at_least: float) -> None:
    assert share_right(matrix(split)) >= at_least


def test_no_small_talk_is_taken_for_hard_and_nothing_hard_for_small_talk() -> None:
    ends = {("small_talk", "hard"), ("hard", "small_talk")}
    assert [each.text for each in utterances() if (each.complexity, each.assessed.complexity) in ends] == []


def test_what_an_utterance_needs_is_seen() -> None:
    wrong = [each.text for each in utterances() if each.assessed.tasks != set(each.needs)]
    assert len(wrong) <= 6, wrong


def test_the_model_that_fits_is_asked() -> None:
    right = [each for each in utterances() if each.model == WANTED[each.complexity]]
    assert len(right) >= 180
    assert all(each.model == WANTED[each.assessed.complexity] for each in utterances())
