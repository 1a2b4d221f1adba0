"""The parts of the simulator: virtual time, the user, the network and the player."""

from dataclasses import replace
from random import Random

from streamsrv.testing.player import Player
from streamsrv.testing.scenario import NetworkTraits
from streamsrv.testing.simulated_client import Link
from streamsrv.testing.simulated_user import (
    QUIET,
    Act,
    After,
    AfterReply,
    AtReplyWord,
    MicrophoneFrame,
    Mute,
    Say,
    SimulatedUser,
    pause,
    say,
    words,
)
from streamsrv.testing.virtual_time import VirtualTime

# Time


def test_events_happen_in_the_order_of_their_times_and_cancelled_ones_do_not():
    time, happened = VirtualTime(), list[tuple[str, int]]()

    def note(name: str) -> None:
        happened.append((name, time.now_ms))

    time.after(30, lambda: note("third"))
    time.after(10, lambda: note("first"))
    time.after(10, lambda: time.after(5, lambda: note("second")))
    time.after(20, lambda: note("never")).cancel()
    time.at(-5, lambda: note("past"))
    time.run_until(lambda: len(happened) == 4)
    assert happened == [("past", 0), ("first", 10), ("second", 15), ("third", 30)]


# User


class FakeReplies:
    """Replies that the test sets by hand."""

    def __init__(self) -> None:
        self.words = 0
        self.audible = False
        self.replied_ms = -1

    def heard_words(self) -> int:
        return self.words

    def replied_since(self, at_ms: int) -> bool:
        return self.replied_ms > at_ms


def listen(user: SimulatedUser, duration_ms: int, from_ms: int = 0) -> list[MicrophoneFrame | None]:
    return [user.next_frame(until_ms) for until_ms in range(from_ms + 32, from_ms + duration_ms + 1, 32)]


def test_a_word_is_in_the_frame_it_ends_with():
    frames = listen(
        SimulatedUser((Act(After(0), Say((*words("hi", 96), pause(64), *words("you", 64)))),), FakeReplies()), 256
    )
    assert [frame.text for frame in frames if frame] == ["", "", "hi", "", "", "", "you", ""]
    assert [frame.probability > 0.5 for frame in frames if frame] == [True] * 3 + [False] * 2 + [True] * 2 + [False]
    assert frames[2].word_ms == 96
    assert frames[-1] is QUIET


def test_cues_wait_for_the_end_of_the_act_before():
    user = SimulatedUser((say("a", word_ms=64), say("b", After(96), word_ms=32)), FakeReplies())
    assert "".join(frame.text or "-" for frame in listen(user, 256) if frame) == "-a--b---"
    assert user.finished
    assert user.said == ["a", "b"]


def test_a_user_interrupts_at_a_word_of_the_reply():
    replies = FakeReplies()
    user = SimulatedUser((say("a", word_ms=32), say("b", AtReplyWord(3), word_ms=32)), replies)
    replies.words = 5
    listen(user, 320)
    replies.audible, replies.words = True, 7
    listen(user, 320, from_ms=320)
    assert user.said == ["a"]
    replies.words = 8
    listen(user, 64, from_ms=640)
    assert user.said == ["a", "b"]


def test_a_user_waits_for_the_reply_and_then_a_little_longer():
    replies = FakeReplies()
    user = SimulatedUser((say("a", word_ms=32), say("b", AfterReply(96), word_ms=32)), replies)
    listen(user, 640)
    replies.replied_ms = 640
    assert [frame.text for frame in listen(user, 160, from_ms=640) if frame] == ["", "", "", "b", ""]


def test_a_user_without_a_reply_loses_patience_but_never_during_one():
    replies = FakeReplies()
    user = SimulatedUser((replace(say("a", AfterReply(0), word_ms=32), patience_ms=320),), replies)
    replies.audible = True
    listen(user, 640)
    assert not user.said
    replies.audible = False
    listen(user, 32, from_ms=640)
    assert user.said == ["a"]


def test_a_muted_microphone_gives_nothing():
    user = SimulatedUser((say("a", word_ms=32), Act(After(0), Mute(96)), say("b", word_ms=32)), FakeReplies())
    texts = [frame.text if frame else None for frame in listen(user, 256)]
    assert texts == ["a", None, None, None, "b", "", "", ""]


# Network and louduser


def test_a_link_keeps_the_order_whatever_the_jitter():
    time, arrived = VirtualTime(), list[tuple[int, int]]()
    link = Link(NetworkTraits(delay_ms=50, jitter_ms=200), time, Random(1))
    for number in range(50):
        time.at(number, lambda number=number: link.send(lambda: arrived.append((number, time.now_ms))) and None)
    time.run_until(lambda: len(arrived) == 50)
    assert [number for number, _ in arrived] == list(range(50))
    assert all(50 <= at_ms - number <= 250 for number, at_ms in arrived)
    assert link.in_flight == 0


def test_a_player_plays_in_real_time_after_its_buffer():
    player = Player(buffer_ms=100)
    player.play("a", 300, [150, 300], now_ms=1000)
    player.play("a", 200, [200], now_ms=1300)
    item = player.items["a"]
    assert [item.played_ms(now_ms) for now_ms in (1100, 1200, 1400, 1599, 1600, 9000)] == [0, 100, 300, 499, 500, 500]
    assert [player.heard_words(now_ms) for now_ms in (1249, 1250, 1400, 1600)] == [0, 1, 2, 3]
    assert player.busy_until_ms == 1600


def test_a_player_buffers_again_after_an_underrun():
    player = Player(buffer_ms=100)
    player.play("a", 100, [], now_ms=0)
    player.play("a", 100, [], now_ms=500)
    assert [player.items["a"].played_ms(now_ms) for now_ms in (200, 600, 650, 700)] == [100, 100, 150, 200]


def test_flushed_audio_is_not_played():
    player = Player(buffer_ms=0)
    player.play("done", 100, [100], now_ms=0)
    player.play("cut", 400, [200, 400], now_ms=0)
    player.play("queued", 400, [400], now_ms=0)
    assert player.flush(now_ms=350) == ["cut", "queued"]
    player.play("cut", 400, [400], now_ms=350)
    assert [player.items[name].played_ms(9000) for name in ("done", "cut", "queued")] == [100, 250, 0]
    assert player.heard_words(9000) == 2
    assert player.busy_until_ms == 350
    player.play("next", 100, [], now_ms=400)
    assert player.items["next"].played_ms(450) == 50


def test_what_comes_while_playback_is_held_is_played_when_it_goes_on():
    player = Player(0)
    player.hold(100)
    player.play("item", 500, [500], 200)
    assert not player.sounds(300)
    assert player.items["item"].played_ms(1000) == 0
    player.resume(1000)
    assert player.sounds(1100)
    assert player.items["item"].played_ms(1200) == 200
