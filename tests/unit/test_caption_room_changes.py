"""What speakers do to the text of a caption room: corrections, replacements, clears, recordings."""

import asyncio
from contextlib import aclosing

from streamsrv.captions.room import MAX_CLEARED, MAX_FINAL_TEXTS, Cursor, Room
from streamsrv.captions.rooms import COUNT_S, MAX_CLEARED_ROOMS, Rooms
from streamsrv.text.replacements import Replacement
from test_caption_room import Clock, Keys, Stage, parsed, starts, texts


def finals(room: Room) -> list[str]:
    return [caption.utterance.text for caption in room.captions]


def test_a_correction_stays_in_its_place_and_is_news_to_all():
    stage = Stage()
    stage.settle("a", "One two.", 0)
    stage.settle("b", "Three.", 5000)
    _, cursor = stage.room.since(Cursor())
    stage.room.correct("a", "One, too.")
    ((kind, data),) = parsed(stage.room.since(cursor)[0])
    assert (kind, data["item_id"], data["text"], data["corrected"]) == ("final", "a", "One, too.", True)
    assert (data["start"], data["end"]) == (0, 0.4)
    assert finals(stage.room) == ["One, too.", "Three."]


def test_what_is_not_final_or_no_longer_there_cannot_be_corrected():
    stage = Stage()
    stage.show("a", "so far")
    assert stage.room.correct("a", "x") is None
    for number in range(MAX_FINAL_TEXTS + 1):
        stage.settle(f"item{number}", f"{number}", number * 1000)
    assert stage.room.correct("item0", "x") is None
    assert stage.room.correct("item1", "x") is not None
    stage.room.clear("k2", stage.now_ms)
    assert stage.room.correct("item2", "x") is None


def test_corrections_without_end_take_no_more_memory():
    stage = Stage()
    stage.settle("a", "One.")
    for number in range(MAX_FINAL_TEXTS * 2):
        stage.room.correct("a", f"{number}")
    assert len(stage.room.since(Cursor())[0]) == 2


def test_a_sentence_that_is_being_spoken_is_cleared_and_the_next_one_is_shown():
    stage = Stage()
    stage.settle("a", "Before.", 0)
    stage.show("b", "half a", start_ms=2000)
    stage.now_ms += 10_000
    stage.room.clear("k2", stage.now_ms)
    assert texts(stage.room.since(Cursor())[0]) == []
    stage.show("b", "half a", "sentence", start_ms=2000)
    stage.settle("b", "Half a sentence.", 2000)
    assert texts(stage.room.since(Cursor())[0]) == []
    stage.now_ms += 2000
    stage.settle("c", "After.", 4000)
    (after,) = stage.room.captions
    assert (after.utterance.text, after.utterance.start_ms) == ("After.", 1000)


def test_a_client_that_sends_faster_than_it_plays_is_shown_after_a_clear():
    stage = Stage()
    stage.settle("a", "Before.", 60_000)
    stage.room.clear("k2", stage.now_ms)
    stage.settle("b", "After.", 70_000)
    assert starts(stage) == [9000]


def test_a_cleared_room_is_like_a_new_one():
    stage = Stage("ann", "bob")
    stage.settle("a", "Before.", 100_000)
    old_id = stage.room.since(Cursor())[0][-1].decode().split("\n")[1].removeprefix("id: ")
    stage.room.clear("k2", stage.now_ms)
    assert stage.room.cursor_of(old_id) == Cursor()
    assert stage.room.status["live"] == 2
    stage.room.enter("eve")
    stage.now_ms += 3000
    stage.settle("b", "Hi.", 0, speaker="eve")
    assert starts(stage) == [2000]


def test_a_recording_has_its_own_times_whatever_the_clock_says():
    stage = Stage("ann")
    stage.room.leave("ann", stage.now_ms)
    assert stage.room.enter_recording("file", stage.now_ms) == 0
    stage.settle("a", "One.", 500, speaker="file")
    stage.now_ms += 60_000
    stage.settle("b", "Two.", 3000, speaker="file")
    assert starts(stage) == [500, 3000]
    stage.room.clear("k2", stage.now_ms)
    stage.settle("c", "Three.", 6000, speaker="file")
    assert starts(stage) == [6000]
    assert stage.room.has_recording
    stage.room.leave("file", stage.now_ms)
    assert not stage.room.has_recording


def test_a_recording_begins_after_all_earlier_texts():
    stage = Stage()
    stage.settle("a", "Before.", 50_000)
    assert stage.room.enter_recording("file", stage.now_ms) == 51_000
    stage.now_ms += 100_000
    assert stage.room.enter_recording("other", stage.now_ms) == 151_000


def test_viewers_learn_how_many_speakers_have_paused():
    room = Room("main", "k1")
    room.enter("s1")
    room.enter("s2", is_paused=True)
    assert (room.status["live"], room.status["paused"]) == (2, 1)
    room.enter("s2")
    assert room.status["paused"] == 0


def test_a_match_in_both_parts_of_a_text_belongs_to_the_second():
    stage = Stage()
    stage.room.replace_words([Replacement("stream serve", "streamsrv"), Replacement("bob", "Bob")])
    stage.show("a", "I like bob and stream", "serve from bob")
    assert texts(stage.room.since(Cursor())[0]) == ["I like Bob and|streamsrv from Bob"]
    stage.show("a", "I like bob and stream serve", "from")
    assert texts(stage.room.since(Cursor())[0]) == ["I like Bob and streamsrv|from"]
    stage.settle("a", "I like bob and stream serve from bob.")
    assert finals(stage.room) == ["I like Bob and streamsrv from Bob."]


def test_what_was_shown_and_is_kept_has_the_replaced_words():
    stage = Stage()
    stage.room.replace_words([Replacement("bob", "Bob")])
    stage.show("a", "bob", "says")
    stage.room.leave("ann", stage.now_ms)
    assert finals(stage.room) == ["Bob says"]


def test_a_viewer_that_was_away_is_told_under_which_keys_texts_were_cleared():
    stage = Stage()
    stage.settle("a", "Secret.")
    stage.room.clear("k2", stage.now_ms)
    stage.room.clear("k3", stage.now_ms)
    (kind, status), *_ = parsed(stage.room.since(Cursor())[0])
    assert (kind, status["key"], status["cleared"]) == ("room", "k3", ["k1", "k2"])


def test_the_keys_of_a_room_that_is_cleared_again_and_again_take_no_more_memory():
    room = Room("main", "k0")
    for number in range(MAX_CLEARED + 5):
        room.clear(f"k{number + 1}", 0)
    assert (room.cleared[0], room.cleared[-1], len(room.cleared)) == ("k5", f"k{MAX_CLEARED + 4}", MAX_CLEARED)


async def status_of(rooms: Rooms, name: str) -> dict:
    """What a viewer who comes now is told first."""
    async with aclosing(rooms.watch(name)) as news:
        return parsed([await anext(news)])[0][1]


async def test_what_was_cleared_in_a_room_that_has_ended_is_told_and_in_the_next_of_its_name():
    clock = Clock()
    rooms = Rooms(1, keep_ms=1000, new_key=Keys(), clock_ms=clock)
    rooms.clear(rooms.open("main"))
    clock.now_ms = 2000
    ended = await status_of(rooms, "main")
    assert (ended["key"], ended["cleared"]) == ("", ["k1"])
    rooms.open("main").room.enter("ann")
    reopened = await status_of(rooms, "main")
    assert (reopened["key"], reopened["cleared"]) == ("k3", ["k1"])


async def test_rooms_that_were_cleared_and_have_ended_take_no_more_memory():
    clock = Clock()
    rooms = Rooms(1, keep_ms=0, new_key=Keys(), clock_ms=clock)
    for number in range(MAX_CLEARED_ROOMS + 1):
        rooms.clear(rooms.open(f"room{number}"))
        clock.now_ms += 1
    assert rooms.count == 0
    assert (await status_of(rooms, "room0"))["cleared"] == []
    assert len((await status_of(rooms, "room1"))["cleared"]) == 1


async def test_the_number_of_viewers_is_told_once_a_second_at_most(monkeypatch):
    loop, passed_s = asyncio.get_running_loop(), 0.0
    monkeypatch.setattr(loop, "time", lambda: 1000 + passed_s)
    opened = Rooms(1, keep_ms=1000, new_key=Keys()).open("main")
    async with aclosing(opened.watch_as_speaker(Cursor())) as news:

        async def told() -> list[tuple[str, dict]]:
            opened.room.enter("ann")  # an event that is due at once
            return parsed([message + b"\n\n" for message in (await anext(news)).split(b"\n\n") if message])

        assert (await told())[1:] == [("viewers", {"viewers": 0})]
        opened.viewers = 5
        passed_s = COUNT_S - 0.01
        assert [kind for kind, _ in await told()] == ["room"]
        passed_s = COUNT_S
        assert (await told())[1:] == [("viewers", {"viewers": 5})]
        passed_s += COUNT_S
        assert [kind for kind, _ in await told()] == ["room"], "it has not changed"
