"""What a caller over SIP is to hear, in front of the stack's buffer."""

from streamsrv.sip.playout import MAX_QUEUED_S, Playout

RATE_HZ = 8000


def test_a_mark_passes_when_the_audio_before_it_has_left_the_buffer() -> None:
    playout = Playout()
    assert playout.play(bytes(100), RATE_HZ)
    playout.mark("a")
    assert playout.play(bytes(60), RATE_HZ)
    playout.mark("b")
    assert playout.next(0, 120) == bytes(120)
    playout.accept(120)
    assert playout.passed(120) == []
    assert playout.passed(20) == ["a"]
    assert playout.next(20, 120) == bytes(40)
    playout.accept(40)
    assert playout.passed(1) == []
    assert playout.passed(0) == ["b"]


def test_a_mark_without_audio_passes_at_once() -> None:
    playout = Playout()
    playout.mark("a")
    assert playout.passed(0) == ["a"]


def test_clear_drops_the_audio_and_passes_all_marks() -> None:
    playout = Playout()
    playout.play(b"old" * 40, RATE_HZ)
    playout.mark("a")
    playout.accept(len(playout.next(0, 60)))
    assert playout.clear() == ["a"]
    playout.play(b"new!", RATE_HZ)
    playout.mark("b")
    assert playout.next(60, 120) == b"", "the stack has not flushed its buffer yet, and would drop new audio with it"
    assert playout.passed(60) == []
    assert playout.next(0, 120) == b"new!"
    playout.accept(4)
    assert playout.passed(0) == ["b"]


def test_audio_is_given_in_order_and_no_further_ahead_than_wanted() -> None:
    playout, taken = Playout(), b""
    for piece in (b"ab", b"cdef", b"g", b"hijkl"):
        playout.play(piece, RATE_HZ)
    while piece := playout.next(2, 5):
        assert len(piece) <= 3
        playout.accept(len(piece))
        taken += piece
    assert taken == b"abcdefghijkl"
    assert playout.next(5, 5) == b""


def test_the_queue_is_bounded() -> None:
    playout = Playout()
    assert playout.play(bytes(MAX_QUEUED_S * RATE_HZ * 2), RATE_HZ)
    assert not playout.play(bytes(2), RATE_HZ)
