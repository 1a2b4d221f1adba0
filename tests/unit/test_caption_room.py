"""A caption room: what viewers are told, and when it was said."""

import json
from contextlib import aclosing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.captions.room import MAX_FINAL_TEXTS, Cursor, Room
from streamsrv.captions.rooms import Rooms
from streamsrv.engines.asr.base import RecognizedUtterance, Word
from streamsrv.protocol.errors import ProtocolError


class Stage:
    """A room with speakers, on a clock that stands still unless the test moves it."""

    def __init__(self, *speakers: str) -> None:
        self.room = Room("main", "k1")
        self.now_ms = 1_000_000
        for speaker in speakers or ("ann",):
            self.room.enter(speaker)

    def show(self, item_id: str, stable: str, tentative: str = "", start_ms: int = 0, speaker: str = "ann") -> None:
        self.room.show(speaker, item_id, stable, tentative, start_ms, start_ms + 1000, self.now_ms)

    def settle(self, item_id: str, text: str, start_ms: int = 0, speaker: str = "ann") -> None:
        self.room.settle(speaker, item_id, said(text, start_ms), start_ms + 1000, self.now_ms)


def said(text: str, start_ms: int = 0, word_ms: int = 200) -> RecognizedUtterance:
    times = range(start_ms, start_ms + word_ms * len(text.split()), word_ms)
    words = tuple(Word(word, at, at + word_ms) for word, at in zip(text.split(), times, strict=True))
    return RecognizedUtterance(text, start_ms, start_ms + word_ms * len(words), words)


def parsed(messages: list[bytes]) -> list[tuple[str, dict]]:
    """The kinds and data of server-sent events."""
    lines = [message.decode().removesuffix("\n\n").split("\n") for message in messages]
    return [(fields[0].removeprefix("event: "), json.loads(fields[-1].removeprefix("data: "))) for fields in lines]


def texts(messages: list[bytes]) -> list[str]:
    """The texts of final events, and the stable and tentative ones of partial events."""
    return [data["text"] if kind == "final" else f"{data['stable']}|{data['tentative']}"
            for kind, data in parsed(messages) if kind != "room"]  # fmt: skip


def test_a_late_viewer_sees_what_was_said_and_what_is_being_said():
    stage = Stage()
    stage.settle("a", "It was the best of times.")
    stage.show("b", "it was", "the worst", start_ms=3000)
    messages, _ = stage.room.since(Cursor())
    status = {"room": "main", "key": "k1", "title": "", "live": 1, "paused": 0, "kept": False, "cleared": []}
    assert parsed(messages)[0] == ("room", status)
    assert texts(messages) == ["It was the best of times.", "it was|the worst"]


def test_a_viewer_is_told_nothing_twice():
    stage = Stage()
    stage.settle("a", "Hello.")
    _, cursor = stage.room.since(Cursor())
    assert stage.room.since(cursor) == ([], cursor)
    stage.show("b", "how")
    assert texts(stage.room.since(cursor)[0]) == ["how|"]


def test_a_slow_viewer_misses_replaced_texts_and_no_final_one():
    stage = Stage()
    _, cursor = stage.room.since(Cursor())
    for count in range(5):
        stage.show("a", "one " * count, "two")
    stage.settle("a", "One.")
    stage.settle("b", "Two.", 2000)
    stage.show("c", "th")
    stage.show("c", "three")
    assert texts(stage.room.since(cursor)[0]) == ["One.", "Two.", "three|"]


def test_all_viewers_are_given_the_same_bytes():
    stage = Stage()
    stage.settle("a", "Hello.")
    one, other = stage.room.since(Cursor())[0], stage.room.since(Cursor())[0]
    assert [id(message) for message in one] == [id(message) for message in other]


def test_a_viewer_resumes_after_the_last_final_text_it_saw():
    stage = Stage()
    stage.settle("a", "One.")
    event_id = stage.room.since(Cursor())[0][-1].decode().split("\n")[1].removeprefix("id: ")
    stage.settle("b", "Two.", 2000)
    stage.show("c", "three")
    assert texts(stage.room.since(stage.room.cursor_of(event_id))[0]) == ["Two.", "three|"]


@pytest.mark.parametrize("event_id", ["", "k1", "k0-1", "k1-", "k1-x", "k1--3", "-", "k1-²", "k1-" + "9" * 5000])
def test_an_event_id_that_is_not_of_this_room_begins_at_the_beginning(event_id: str):
    stage = Stage()
    stage.settle("a", "One.")
    assert texts(stage.room.since(stage.room.cursor_of(event_id))[0]) == ["One."]


def test_the_oldest_text_is_forgotten_when_the_history_is_full():
    stage = Stage()
    for number in range(MAX_FINAL_TEXTS + 5):
        stage.settle(f"item{number}", f"{number}", number * 1000)
    assert [caption.utterance.text for caption in stage.room.captions][:2] == ["5", "6"]
    assert len(stage.room.since(Cursor())[0]) == MAX_FINAL_TEXTS + 1


def test_the_rooms_time_begins_with_the_audio_of_its_first_speaker():
    stage = Stage()
    stage.show("a", "hello", start_ms=4000)
    stage.settle("a", "Hello there.", 4032)
    (caption,) = stage.room.captions
    assert (caption.utterance.start_ms, caption.utterance.words[1].start_ms) == (4032, 4232)


def test_a_second_speaker_is_heard_at_the_time_of_the_clock():
    stage = Stage("ann", "bob")
    stage.show("a", "hello")  # ann's audio is 1 s long by now
    stage.now_ms += 60_000
    stage.settle("a", "Hello.", start_ms=60_000)
    stage.settle("b", "Hi.", start_ms=50_000, speaker="bob")  # and now bob's is 51 s long: it began 10 s later
    assert [caption.utterance.start_ms for caption in stage.room.captions] == [60_000, 60_000]


def test_a_speaker_who_comes_back_goes_on_where_the_clock_is():
    stage = Stage()
    stage.settle("a", "Before.")
    stage.room.leave("ann", stage.now_ms)
    stage.now_ms += 30_000
    stage.room.enter("ann2")
    stage.settle("b", "After.", speaker="ann2")
    assert [caption.utterance.start_ms for caption in stage.room.captions] == [0, 30_000]


def starts(stage: Stage) -> list[int]:
    return [caption.utterance.start_ms for caption in stage.room.captions]


def test_what_is_said_after_a_pause_in_the_audio_is_placed_by_the_clock():
    stage = Stage("ann", "bob")
    stage.settle("a", "One.", start_ms=0)
    stage.now_ms += 60_000 + 2000  # a minute without audio; two seconds of audio
    stage.settle("b", "Two.", start_ms=2000)
    stage.settle("c", "From Bob.", start_ms=0, speaker="bob")
    assert starts(stage) == [0, 62_000, 62_000]
    stage.room.leave("ann", stage.now_ms)
    stage.room.enter("ann")
    stage.now_ms += 5000
    stage.settle("d", "Three.", start_ms=0)
    assert starts(stage)[-1] == 67_000, "the next session goes by the same clock"


def test_audio_that_is_late_by_less_than_a_pause_stays_in_its_place():
    stage = Stage()
    stage.settle("a", "One.", start_ms=0)
    for late_ms in (500, 2900, 0):
        stage.now_ms = 1_002_000 + late_ms
        stage.settle(f"b{late_ms}", "Two.", start_ms=2000)
    assert starts(stage)[1:] == [2000, 2000, 2000]


def test_a_text_that_is_shown_stays_in_its_place_until_it_is_final():
    stage = Stage()
    stage.show("a", "One", start_ms=0)
    stage.now_ms += 20_000  # the client was muted in the middle of the item
    stage.settle("a", "One.", start_ms=0)
    assert starts(stage) == [0]


def test_who_sent_a_recording_faster_than_it_plays_does_not_go_back_in_time():
    stage = Stage()
    stage.settle("a", "Before.", start_ms=100_000)
    stage.settle("b", "End.", start_ms=200_000)
    stage.room.leave("ann", stage.now_ms)
    stage.room.enter("ann2")
    stage.settle("c", "After.", speaker="ann2")
    assert [caption.utterance.text for caption in stage.room.captions] == ["Before.", "End.", "After."]


def test_what_was_shown_stays_when_the_speaker_is_cut_off():
    stage = Stage()
    stage.show("a", "nothing is", "lost", start_ms=500)
    stage.room.leave("ann", stage.now_ms)
    (caption,) = stage.room.captions
    assert caption.utterance.text == "nothing is lost"
    assert [word.text for word in caption.utterance.words] == ["nothing", "is", "lost"]


def test_what_was_shown_stays_when_the_recogniser_fails():
    stage = Stage()
    stage.show("a", "half", "a sentence")
    stage.room.settle("ann", "a", None, 1000, stage.now_ms)
    assert [caption.utterance.text for caption in stage.room.captions] == ["half a sentence"]


def test_what_turns_out_to_be_noise_is_taken_off_the_screen():
    stage = Stage()
    stage.show("a", "", "uh")
    _, cursor = stage.room.since(Cursor())
    stage.settle("a", "")
    assert texts(stage.room.since(cursor)[0]) == [""]
    assert stage.room.captions == []


def test_noise_of_which_nothing_was_shown_is_not_told():
    stage = Stage()
    _, cursor = stage.room.since(Cursor())
    stage.settle("a", "")
    assert stage.room.since(cursor)[0] == []


def test_captions_are_in_the_order_of_their_times():
    stage = Stage("ann", "bob")
    stage.show("a", "a long")
    stage.settle("b", "Short.", 3000, speaker="bob")
    stage.settle("a", "A long sentence.", 0)
    assert [cue.text for cue in stage.room.cues] == ["A long sentence.", "Short."]


def test_a_final_text_comes_with_its_lines():
    stage = Stage()
    stage.settle("a", "word " * 20)
    (_, final) = parsed(stage.room.since(Cursor())[0])[-1]
    assert [len(line["text"]) for line in final["lines"]] == [84, 14]
    assert final["lines"][1]["start"] == 3.4


def test_viewers_learn_who_speaks_and_whether_anybody_does():
    room = Room("main", "k1")
    room.enter("s1", "Ann", "The keynote")
    (_, status), cursor = parsed(room.since(Cursor())[0])[0], room.since(Cursor())[1]
    assert (status["title"], status["live"]) == ("The keynote", 1)
    room.settle("s1", "a", said("Hello."), 1000, 0)
    room.leave("s1", 0)
    told = parsed(room.since(cursor)[0])
    assert [(kind, data.get("live"), data.get("speaker")) for kind, data in told] == [
        ("room", 0, None),
        ("final", None, "Ann"),
    ]
    assert room.cues[0].speaker == "Ann"


STEPS = "show settle leave read correct clear".split()


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3)), max_size=40))
def test_however_it_reads_a_viewer_ends_with_what_the_room_has(steps: list[tuple[str, int]]):
    """A viewer that keeps what it is told by item, as the page does, ends with the same text as one who comes last."""
    stage = Stage()
    cursor, told = Cursor(), []
    for number, (step, item) in enumerate(steps):
        if step == "show":
            stage.show(f"{item}", f"words {number}")
        elif step == "settle":
            stage.settle(f"{item}", f"Final {number}.")
        elif step == "leave":
            stage.room.leave("ann", 0)
            stage.room.enter("ann")
        elif step == "correct":
            stage.room.correct(f"{item}", f"Correction {number}.")
        elif step == "clear":
            stage.room.clear(f"k{number}", stage.now_ms)
        else:
            news, cursor = stage.room.since(cursor)
            told += news
    told += stage.room.since(cursor)[0]
    assert by_item(told) == by_item(stage.room.since(Cursor())[0])


def by_item(messages: list[bytes]) -> dict[str, str]:
    shown: dict[str, str] = {}
    key = ""
    for kind, data in parsed(messages):
        if kind == "room":
            shown, key = (shown if data["key"] == key else {}), data["key"]
        else:
            shown[data["item_id"]] = data["text"] if kind == "final" else data["stable"]
    return shown


class Keys:
    """Makes k1, k2, ..."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> str:
        self.made += 1
        return f"k{self.made}"


class Clock:
    now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


def test_a_room_is_the_same_until_nobody_spoke_in_it_for_too_long():
    clock = Clock()
    rooms = Rooms(5, keep_ms=1000, new_key=Keys(), clock_ms=clock)
    opened = rooms.open("main")
    opened.room.enter("ann")
    clock.now_ms = 50_000
    assert rooms.find("main") is opened
    opened.room.leave("ann", clock.now_ms)
    clock.now_ms = 51_000
    assert rooms.find("main") is opened
    clock.now_ms = 51_001
    assert rooms.find("main") is None
    assert not opened.is_open
    assert rooms.open("main") is not opened


def test_there_is_a_limit_to_rooms():
    rooms = Rooms(1, keep_ms=1000, new_key=Keys())
    rooms.open("one").room.enter("ann")
    with pytest.raises(ProtocolError, match="All 1 caption rooms of this server are in use: 'two' cannot be opened"):
        rooms.open("two")


async def test_a_viewer_waits_for_a_room_and_for_the_next_of_the_same_name():
    clock = Clock()
    rooms = Rooms(1, keep_ms=1000, new_key=Keys(), clock_ms=clock)
    async with aclosing(rooms.watch("main")) as news:
        keys = [parsed([await anext(news)])[0][1]["key"]]
        rooms.open("main").room.enter("ann")
        keys.append(parsed([await anext(news)])[0][1]["key"])
        rooms.open("main").room.leave("ann", 0)
        clock.now_ms = 2000
        rooms.find("main")
        keys.append(parsed([await anext(news)])[0][1]["key"])
        rooms.open("main").room.enter("bob")
        keys.append(parsed([await anext(news)])[0][1]["key"])
    assert keys == ["", "k1", "", "k2"]


def test_words_keep_their_distance_from_the_start_of_their_text():
    stage = Stage()
    stage.settle("a", "One.")
    stage.room.leave("ann", stage.now_ms)
    stage.now_ms += 7777
    stage.room.enter("bob")
    stage.settle("b", "two three", 500, speaker="bob")
    moved = stage.room.captions[1].utterance
    by_ms = moved.start_ms - 500
    back = replace(moved, start_ms=500, end_ms=moved.end_ms - by_ms, words=said("two three", 500).words)
    assert back == said("two three", 500)
    assert [word.start_ms - by_ms for word in moved.words] == [500, 700]
