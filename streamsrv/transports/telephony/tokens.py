"""One-time tokens: the answer to a webhook carries one, and the provider's media socket must bring it. Pure.

A token is good for one socket of one call within a short time, so that nobody else can open the socket of a call, or
open it again. The caller passes the time in seconds.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from streamsrv.access.principal import Principal
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.line import CallFacts

TOKEN_LIFETIME_S = 60.0
"""Seconds within which a provider must have opened the socket after the answer to its webhook."""
MAX_TOKENS = 10_000
"""Tokens that are not used yet; while there are so many, no further call is answered."""
MAX_TOKEN_CHARS = 128
"""Characters of the longest token that is looked at."""
TOKEN_PARAMETER = "streamsrv_token"
"""Name of the custom parameter, header or query parameter that carries a token."""


class TokenRefused(Exception):
    """A socket brings no token, or one that is not good for its call; the text says why, without the token."""


class NoRoomForTokens(Exception):
    """Too many calls were answered by webhooks whose sockets never came."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What the webhook has found out about a call: facts that were signed, and who talks to the caller."""

    facts: CallFacts
    agent: Agent
    principal: Principal | None = None
    """On whose account the call is; None: on that of all calls that no API key began."""


class PhoneTokens:
    """Makes tokens and takes each one once. `new_token` returns a random text that nobody can guess."""

    def __init__(self, new_token: Callable[[], str]) -> None:
        self._new_token = new_token
        self._held: dict[bytes, tuple[float, Admitted]] = {}  # the time of expiry by the token's digest, oldest first

    def __len__(self) -> int:
        return len(self._held)

    def issue(self, admitted: Admitted, now_s: float) -> str:
        """Make a token for a call; raises `NoRoomForTokens`."""
        self._drop_expired(now_s)
        if len(self._held) >= MAX_TOKENS:
            raise NoRoomForTokens(f"{MAX_TOKENS} calls were answered whose media did not come.")
        token = self._new_token()
        self._held[_digest(token)] = (now_s + TOKEN_LIFETIME_S, admitted)
        return token

    def redeem(self, token: str, provider: str, provider_call_id: str, now_s: float) -> Admitted:
        """Use a token up for a call; raises `TokenRefused`. It is used up by any try, also for another call."""
        if not token or len(token) > MAX_TOKEN_CHARS:
            raise TokenRefused("The media stream brings no token of this server.")
        expires_s, admitted = self._held.pop(_digest(token), (0.0, None))
        if admitted is None or expires_s <= now_s:
            raise TokenRefused("The token of the media stream was used before, has expired, or is not of this server.")
        told = (admitted.facts.provider, admitted.facts.provider_call_id)
        if not hmac.compare_digest("\n".join(told).encode(), f"{provider}\n{provider_call_id}".encode()):
            raise TokenRefused("The token of the media stream was made for another call.")
        return admitted

    def _drop_expired(self, now_s: float) -> None:
        while self._held:
            oldest = next(iter(self._held))
            if self._held[oldest][0] > now_s:
                return
            del self._held[oldest]


def _digest(token: str) -> bytes:
    """Return what a token is found by: comparing digests tells nothing of the tokens by the time it takes."""
    return sha256(token.encode(errors="replace")).digest()
