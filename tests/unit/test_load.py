"""How busy the server is, and whom it lets in."""

from streamsrv.inference.load import MEMORY_S, MOST_BUSY, Load


def after(
    seconds: float = 60, *, cores: int = 2, busy: float = 0.0, lag_s: float = 0.0, queue_age_s: float = 0.0
) -> Load:
    load = Load(cores)
    for _ in range(int(seconds * 2)):
        load.observe(0.5, cpu_s=0.5 * busy * cores, lag_s=lag_s, queue_age_s=queue_age_s)
    return load


def test_an_idle_server_has_room():
    assert Load(2).has_room(0)
    assert after().has_room(50)


def test_one_more_session_is_as_busy_as_the_others():
    load = after(busy=0.5)
    assert not load.has_room(2)  # 0.75 with a third one
    assert load.has_room(3)  # 0.67 with a fourth one


def test_the_first_session_always_finds_room():
    assert after(busy=1.0, lag_s=5, queue_age_s=5).has_room(0)


def test_work_that_waits_leaves_no_room():
    assert not after(queue_age_s=0.5).has_room(10)


def test_a_late_event_loop_leaves_no_room():
    assert not after(lag_s=0.3).has_room(10)


def test_a_short_burst_does_not_count_as_much_as_a_long_one():
    assert after(MEMORY_S / 8, busy=1.0).has_room(10)
    assert not after(MEMORY_S * 4, busy=1.0).has_room(10)


def test_measurements_do_not_depend_on_how_often_they_are_taken():
    rarely, often = Load(4), Load(4)
    rarely.observe(4, cpu_s=8, lag_s=0, queue_age_s=0)
    for _ in range(8):
        often.observe(0.5, cpu_s=1, lag_s=0, queue_age_s=0)
    assert abs(rarely.busy - often.busy) < 1e-9
    assert rarely.busy < MOST_BUSY
