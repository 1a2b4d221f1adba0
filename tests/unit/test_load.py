"""How busy the server is, and whom it lets in."""

from streamsrv.inference.load import MAX_BUSY, MEMORY_S, SESSION_CORES, Load


def after(
    seconds: float = 120,
    *,
    sessions: int = 10,
    busy: float = 0.0,
    model_busy: float = 0.0,
    lag_s: float = 0.0,
    queue_age_s: float = 0.0,
) -> Load:
    """What two cores have been through."""
    load = Load(2)
    for _ in range(int(seconds * 2)):
        load.observe(0.5, sessions=sessions, cpu_s=busy, model_s=0.5 * model_busy, lag_s=lag_s, queue_age_s=queue_age_s)
    return load


def admitted(load: Load, sessions: int) -> int:
    """How many get in at once beside those there are."""
    newcomers = 0
    while load.has_room(sessions + newcomers):
        newcomers += 1
    return newcomers


def test_an_idle_server_has_room():
    assert Load(2).has_room(0)
    assert after(sessions=50).has_room(50)


def test_one_more_session_is_as_busy_as_the_others():
    assert not after(sessions=8, busy=0.64).has_room(8)  # 0.72 with a ninth one
    assert after(sessions=16, busy=0.64).has_room(16)  # 0.68 with a seventeenth


def test_the_language_model_may_be_what_is_busy():
    assert not after(sessions=8, busy=0.2, model_busy=0.5).has_room(8)
    assert after(sessions=8, busy=0.2, model_busy=0.4).has_room(8)


def test_the_first_session_always_finds_room():
    assert after(busy=1.0, model_busy=1.0, lag_s=5, queue_age_s=5).has_room(0)


def test_work_that_waits_leaves_no_room():
    assert not after(queue_age_s=0.5).has_room(10)


def test_a_late_event_loop_leaves_no_room():
    assert not after(lag_s=0.3).has_room(10)


def test_who_was_let_in_just_now_counts_before_it_is_measured():
    assert admitted(after(sessions=4, busy=0.28), 4) <= 6
    assert admitted(after(sessions=40, busy=0.1), 40) > 100


def test_a_hundred_at_once_do_not_all_get_into_a_server_that_has_measured_nothing():
    assert admitted(Load(2), 0) == int(MAX_BUSY * 2 / SESSION_CORES)


def test_sessions_that_ended_leave_room_for_as_many():
    load = after(sessions=8, busy=0.6)
    assert admitted(load, 2) > 4


def test_a_short_burst_does_not_count_as_much_as_a_long_one():
    assert after(MEMORY_S / 8, busy=1.0).has_room(2)
    assert not after(MEMORY_S * 4, busy=1.0).has_room(10)


def test_measurements_do_not_depend_on_how_often_they_are_taken():
    rarely, often = Load(4), Load(4)
    rarely.observe(4, sessions=3, cpu_s=8, model_s=2, lag_s=0, queue_age_s=0)
    for _ in range(8):
        often.observe(0.5, sessions=3, cpu_s=1, model_s=0.25, lag_s=0, queue_age_s=0)
    assert abs(rarely.busy - often.busy) < 1e-9
    assert abs(rarely.model_busy - often.model_busy) < 1e-9
    assert rarely.busy < MAX_BUSY
