"""The limit on responses per minute."""

import pytest

from streamsrv.core.rate_limit import RateLimit
from streamsrv.protocol.errors import ProtocolError


def test_the_limit_is_refilled_evenly():
    limit = RateLimit(2)
    limit.take(0)
    limit.take(0)
    with pytest.raises(ProtocolError) as refused:
        limit.take(29_000)
    assert refused.value.code == "rate_limit_exceeded"
    assert "1.0 s" in refused.value.message
    limit.take(30_000)


def test_the_remaining_limit_is_reported_to_the_client():
    limit = RateLimit(4)
    limit.take(1000)
    assert limit.to_wire(1000) == {"name": "requests", "limit": 4, "remaining": 3, "reset_seconds": 15.0}
    assert limit.to_wire(16_000)["remaining"] == 4


def test_a_guess_leaves_half_of_the_limit_and_one_response_at_least():
    limit = RateLimit(4)
    assert [limit.take_spare(0) for _ in range(4)] == [True, True, False, False]
    assert limit.to_wire(0)["remaining"] == 2
    assert not RateLimit(1).take_spare(0)
    assert RateLimit(2).take_spare(0)


def test_a_guess_that_became_a_response_is_counted_once():
    limit = RateLimit(4)
    assert limit.take_spare(0)
    limit.take(0)
    limit.give_back(0)
    assert limit.to_wire(0)["remaining"] == 3
    RateLimit(4).give_back(0)
