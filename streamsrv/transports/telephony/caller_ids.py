"""Names callers in logs, metrics and traces without their numbers."""

import hmac
import secrets

from streamsrv.phone_settings import plain_number
from streamsrv.settings import Settings

_RANDOM_KEY = secrets.token_bytes(32)
"""The key of servers without `secret_key`: their names of callers change at each start."""
ANONYMOUS = "anonymous"


def caller_id(number: str, settings: Settings) -> str:
    """Return a name such as `caller_9c1f0e2b`, the same for each call of a number; `anonymous` without a number.

    It is keyed, because all telephone numbers can be tried.
    """
    plain = plain_number(number)
    if not plain:
        return ANONYMOUS
    key = settings.secret_key.get_secret_value().encode() if settings.secret_key else _RANDOM_KEY
    return f"caller_{hmac.digest(key, b'caller ' + plain.encode(errors='replace'), 'sha256').hex()[:16]}"
