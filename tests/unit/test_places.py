"""Places, limits of keys, and budgets: no event loop and no clock."""

from dataclasses import replace

import pytest

from streamsrv.access.admission import Admission, Limits
from streamsrv.access.budget import Budget
from streamsrv.access.client_secrets import Grant
from streamsrv.access.principal import LOOPBACK, KeyLimits, Principal, key_id
from streamsrv.access.refusal import Refusal
from streamsrv.errors import Overloaded
from streamsrv.inference.load import Load

ADA, BOB = Principal("key_ada"), Principal("key_bob")
PAGE_OF_ADA = Principal("key_ada", Grant("sess_1", "key_ada", frozenset({"main"}), 0, None))


def refused(admission: Admission, principal: Principal) -> int:
    """The status of the refusal."""
    with pytest.raises(Refusal) as refusal:
        admission.take_session(principal)
    assert refusal.value.retry_after_s
    return refusal.value.status


def test_a_place_is_given_back_once():
    admission = Admission(Limits(max_sessions=2, max_requests=1), None)
    first, second = admission.take_session(ADA), admission.take_session(ADA)
    assert (admission.sessions, refused(admission, BOB)) == (2, 503)
    for _ in range(3):
        first.leave()
    assert admission.sessions == 1
    with admission.take_session(BOB), second:
        assert refused(admission, ADA) == 503
    assert (admission.sessions, admission.sessions_begun) == (0, 3)


def test_a_place_is_released_when_its_work_fails():
    admission = Admission(Limits(max_sessions=1, max_requests=1), None)
    for take in (admission.take_session, admission.take_request):
        with pytest.raises(EOFError), take(ADA):
            raise EOFError
    assert (admission.sessions, admission.requests) == (0, 0)


def test_the_sessions_of_a_key_and_of_its_secrets_are_counted_together():
    admission = Admission(Limits(max_sessions=9, max_requests=9), None)
    limits = KeyLimits(sessions=2)
    ada, page_of_ada = replace(ADA, limits=limits), replace(PAGE_OF_ADA, limits=limits)
    admission.take_session(ada)
    of_page = admission.take_session(page_of_ada)
    assert refused(admission, ada) == refused(admission, page_of_ada) == 429
    admission.take_session(BOB)
    of_page.leave()
    assert admission.take_session(ada)


def test_requests_and_sessions_take_no_places_of_each_other():
    admission = Admission(Limits(max_sessions=1, max_requests=1), None)
    with admission.take_request(ADA), admission.take_session(ADA):
        for principal, status in ((ADA, 503), (BOB, 503)):
            with pytest.raises(Refusal) as refusal:
                admission.take_request(principal)
            assert refusal.value.status == status
    assert admission.take_request(BOB)


def test_clients_wait_for_a_measurement_only_if_there_is_a_place_for_them():
    admission = Admission(Limits(max_sessions=20, max_requests=1), Load(2))
    ada = replace(ADA, limits=KeyLimits(sessions=12))
    while admission.has_room:
        admission.take_session(ada)
    assert admission.sessions < 12
    assert admission.is_measuring(ada)
    admission.check_session(ADA)
    assert refused(admission, ADA) == 503, "the load is not measured yet"
    limited = Admission(Limits(max_sessions=9, max_requests=1), Load(2))
    while limited.has_room:
        limited.take_session(ADA)
    assert not limited.is_measuring(ADA)


def test_a_busy_server_says_so_before_anything_is_read():
    load = Load(2)
    admission = Admission(Limits(max_sessions=20, max_requests=1), load)
    admission.take_session(ADA)
    admission.take_session(ADA)
    for _ in range(120):
        load.observe(0.5, sessions=2, cpu_s=1.0, model_s=0, lag_s=0, queue_age_s=0)
    assert not admission.is_measuring(ADA)
    with pytest.raises(Refusal, match="busy"):
        admission.check_session(ADA)


def test_the_budget_of_a_key_refills_over_a_minute():
    budget = Budget()
    limits = KeyLimits(responses_per_minute=2)
    ada = replace(ADA, limits=limits)
    budget.charge(ada, 0)
    budget.charge(replace(PAGE_OF_ADA, limits=limits), 0)
    with pytest.raises(Overloaded, match="2 responses a minute"):
        budget.charge(ada, 29)
    budget.charge(replace(BOB, limits=limits), 29)
    budget.charge(ada, 31)
    for _ in range(9):
        budget.charge(BOB, 31)
    budget.charge(replace(ADA, limits=KeyLimits(responses_per_minute=1)), 31)


def test_a_fingerprint_is_short_and_stable_and_differs_between_keys():
    key = "sk-local-1"
    assert key_id(key) == key_id(key) != key_id("sk-local-2")
    assert len(key_id(key)) == 12
    assert key not in key_id(key)


def test_what_a_principal_may_do():
    stranger = Principal("key_ada", Grant("sess_2", "key_ada", frozenset(), 0, None))
    assert ADA.may_reach(PAGE_OF_ADA)
    assert BOB.may_reach(ADA)
    assert PAGE_OF_ADA.may_reach(PAGE_OF_ADA)
    assert not PAGE_OF_ADA.may_reach(stranger)
    assert not PAGE_OF_ADA.may_reach(ADA)
    assert (ADA.caption_rooms, LOOPBACK.caption_rooms) == (None, None)
    assert (PAGE_OF_ADA.caption_rooms, stranger.caption_rooms) == ({"main"}, set())
    assert "sess_1" in str(PAGE_OF_ADA)


def test_those_that_are_inside_now_are_waited_for_and_no_others():
    admission = Admission(Limits(max_sessions=9, max_requests=9), None)
    told: list[str] = []
    admission.when_left(lambda: told.append("empty"))
    assert told == ["empty"], "at once if nobody is inside"
    session, request = admission.take_session(ADA), admission.take_request(BOB)
    admission.when_left(lambda: told.append("first"))
    later = admission.take_session(BOB)
    admission.when_left(lambda: told.append("second"))
    session.leave()
    assert told == ["empty"]
    request.leave()
    request.leave()
    assert told == ["empty", "first"]
    later.leave()
    assert told == ["empty", "first", "second"]
