"""The measured load of the server, and the sessions that it admits."""

import math

import pytest

from streamsrv.inference.load import (
    MAX_BUSY,
    MAX_RELIEF_S,
    MEMORY_S,
    MIN_RELIEF_S,
    SESSION_CORES,
    START_CPU_S,
    Load,
)


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


def test_a_few_answers_of_short_sessions_refuse_nobody():
    """Each was there for two seconds, in which the model worked for one; between them was nobody."""
    load = Load(2)
    for _ in range(4):
        for sessions in (1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0):
            load.observe(0.5, sessions=sessions, cpu_s=0.05, model_s=0.25 * sessions, lag_s=0, queue_age_s=0)
            assert load.has_room(1)


@pytest.mark.parametrize("sessions", [0, 1])
def test_a_session_for_each_core_always_finds_room(sessions: int):
    assert after(busy=1.0, model_busy=1.0, lag_s=5, queue_age_s=5).has_room(sessions)


def test_work_that_waits_leaves_no_room():
    assert not after(queue_age_s=0.5).has_room(10)


def test_a_late_event_loop_leaves_no_room():
    assert not after(lag_s=0.3).has_room(10)


def test_who_was_let_in_just_now_counts_before_it_is_measured():
    assert admitted(after(sessions=4, busy=0.28), 4) <= 6
    assert admitted(after(sessions=40, busy=0.1), 40) > 100


def storm(clients: int, *, start_cpu_s: float = 0.0, cores_each: float = 0.0) -> float:
    """When the last of many clients that come at once is in, in seconds of a server that has just started.

    `start_cpu_s`: what each costs to begin; `cores_each`: what each costs from then on.
    """
    load, inside, now_s = Load(2), 0, 0.0
    while now_s < 60:
        begun = min(admitted(load, inside), clients - inside)
        inside += begun
        if inside == clients:
            return now_s
        cpu_s = begun * start_cpu_s + 0.5 * inside * cores_each
        load.observe(0.5, sessions=inside, started=begun, cpu_s=cpu_s, model_s=0, lag_s=0, queue_age_s=0)
        now_s += 0.5
    return math.inf


@pytest.mark.parametrize("start_cpu_s", [0.0, START_CPU_S, 0.05])
def test_a_hundred_idle_clients_that_come_at_once_are_in_within_seconds(start_cpu_s: float):
    assert storm(100, start_cpu_s=start_cpu_s) <= 3


def test_of_a_hundred_busy_clients_that_come_at_once_only_those_get_in_that_the_server_can_serve():
    assert storm(100, cores_each=SESSION_CORES) == math.inf
    assert storm(int(MAX_BUSY * 2 / SESSION_CORES), cores_each=SESSION_CORES) <= 3


def test_the_cost_of_beginning_a_session_is_no_load():
    load = Load(2)
    load.observe(0.5, sessions=1, started=1, cpu_s=START_CPU_S, model_s=0, lag_s=0, queue_age_s=0)
    assert load.busy == 0


@pytest.mark.parametrize("stall_s", [0.5, 3, 20])
def test_one_stall_of_the_event_loop_refuses_nobody(stall_s: float):
    """As at the start of a server, or while the machine was asleep."""
    load = after(10, sessions=1)
    load.observe(0.5 + stall_s, sessions=1, cpu_s=0, model_s=0, lag_s=stall_s, queue_age_s=0)
    assert load.has_room(1)


def test_an_event_loop_that_is_late_again_and_again_leaves_no_room():
    load = Load(2)
    for _ in range(20):
        load.observe(1.0, sessions=5, cpu_s=0, model_s=0, lag_s=0.5, queue_age_s=0)
    assert not load.has_room(5)


def test_clients_wait_only_while_sessions_are_new_and_nothing_is_too_much():
    full = int(MAX_BUSY * 2 / SESSION_CORES)
    assert Load(2).is_measuring(full)
    assert not after(sessions=8, busy=0.64).is_measuring(8), "these are measured: it will not get better in a moment"
    assert not after(sessions=2, busy=0.9).is_measuring(8), "too busy already"
    assert not after(sessions=2, lag_s=0.3).is_measuring(8)


def test_a_refused_client_is_told_to_come_back_the_later_the_more_there_is_to_fade():
    little, much = after(sessions=8, busy=0.64).relief_s(8), after(sessions=8, busy=0.9).relief_s(8)
    assert MIN_RELIEF_S <= little < much <= MAX_RELIEF_S


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
