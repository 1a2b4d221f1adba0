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


def test_what_remains_is_told_to_the_client():
    limit = RateLimit(4)
    limit.take(1000)
    assert limit.to_wire(1000) == {"name": "requests", "limit": 4, "remaining": 3, "reset_seconds": 15.0}
    assert limit.to_wire(16_000)["remaining"] == 4
