"""Answers the webhooks of telephone providers: checks who sends them, and streams the calls that somebody answers."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

from streamsrv.access.refusal import Refusal
from streamsrv.observability.logging import log_event
from streamsrv.phone_provider_settings import (
    PROVIDERS,
    ExotelSettings,
    PhoneProviderSettings,
    TelnyxSettings,
)
from streamsrv.protocol.errors import ProtocolError
from streamsrv.settings import Settings
from streamsrv.transports.telephony.agents import find_agent
from streamsrv.transports.telephony.caller_ids import caller_id
from streamsrv.transports.telephony.line import CallFacts
from streamsrv.transports.telephony.masking import masked
from streamsrv.transports.telephony.providers import signatures
from streamsrv.transports.telephony.providers.answers import Answer, connect, read_call, refuse
from streamsrv.transports.telephony.providers.signatures import BadSignature
from streamsrv.transports.telephony.providers.webhook import BadWebhook, Webhook
from streamsrv.transports.telephony.tokens import TOKEN_LIFETIME_S, Admitted, NoRoomForTokens, PhoneTokens

logger = logging.getLogger(__name__)

Read = TypeVar("Read")

PATH = "/v1/calls"
REMEMBERED_S = 3600.0
"""Seconds for which a request is known again."""
MAX_REMEMBERED = 50_000
"""Requests that are known again; of more, the oldest are forgotten."""


@dataclass(slots=True)
class Webhooks:
    """The webhooks of one server. `settings` returns the settings in force."""

    settings: Callable[[], Settings]
    tokens: PhoneTokens
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now_s: Callable[[], float] = time.time
    _answered: dict[bytes, tuple[float, Answer]] = field(default_factory=dict[bytes, tuple[float, Answer]])

    def provider(self, name: str) -> PhoneProviderSettings:
        """Return the settings of a provider whose requests can be checked; raises `Refusal`."""
        if name not in PROVIDERS:
            message = f"No calls come from '{name[:64]}'; {', '.join(PROVIDERS)} make calls."
            raise Refusal(404, "provider_not_found", message, "provider")
        settings = self.settings()
        provider = next((table for table in settings.phone_provider if table.name == name), None)
        lacking = ""
        if settings.public_url is None:
            lacking = "set public_url, the address under which the provider reaches it"
        elif provider is None:
            lacking = f"add a [[phone_provider]] table with name = '{name}'"
        elif provider.lacks((provider.checks_with,)):
            lacking = f"set {provider.checks_with} in the [[phone_provider]] table of {name}, to check its requests"
        elif provider.checks_with.endswith("_variable") and not provider.secret(provider.checks_with, self.environ):
            lacking = f"set the environment variable that {provider.checks_with} of {name} names"
        if lacking or provider is None:
            message = f"This server takes no calls of {name}: {lacking}."
            logger.warning("a request of %s is refused: %s", name, lacking)
            raise Refusal(503, "phone_provider_not_configured", message, "provider")
        return provider

    def url(self, path: str) -> str:
        """Return the public address of a path below `PATH`, which begins with a slash."""
        return f"{self.settings().public_url}{PATH}{path}"

    def media_url(self, provider: str) -> str:
        """Return the public address of a provider's media socket (wss)."""
        return self.url(f"/{provider}/media").replace("http", "ws", 1)

    def check(self, name: str, request: Webhook) -> PhoneProviderSettings:
        """Check that a request is the provider's; raises `Refusal`."""
        provider = self.provider(name)
        secret = provider.secret(provider.checks_with, self.environ)
        try:
            match provider:
                case TelnyxSettings():
                    signatures.check_telnyx(request, provider.public_key, self.now_s())
                case ExotelSettings():
                    signatures.check_password(request, provider.webhook_user, secret)
                case _ if name == "twilio":
                    key = provider.secret("signing_key_variable", self.environ)
                    signatures.check_twilio(request, secret, key)
                case _ if name == "plivo":
                    signatures.check_plivo(request, secret)
                case _:
                    signatures.check_vonage(request, secret, getattr(provider, "account", ""), self.now_s())
        except BadSignature as error:
            logger.warning("a request is not of %s: %s", name, masked(str(error)))
            raise Refusal(403, "invalid_signature", f"The request is not signed by {name}: {error}") from None
        except BadWebhook as error:
            raise ProtocolError("invalid_value", str(error)) from None
        except ImportError as error:
            message = "The package cryptography is missing: pip install 'streamsrv[telephony]'."
            raise Refusal(503, "phone_provider_not_configured", message) from error
        return provider

    def check_handshake(self, name: str, headers: Mapping[str, str], query: str) -> bool:
        """Check the signature of a socket's handshake, and return whether there is one; raises `Refusal`.

        Only Twilio signs it. Other sockets are known by their tokens alone.
        """
        lower = {header.lower(): value for header, value in headers.items()}
        if name != "twilio" or "x-twilio-signature" not in lower:
            return False
        url = self.media_url(name) + (f"?{query}" if query else "")
        self.check(name, Webhook("GET", url, lower))
        return True

    def signs_handshakes(self, name: str) -> bool:
        """Whether the provider signs the handshakes of its sockets, and this server can check that."""
        settings = self.settings()
        return (
            name == "twilio"
            and settings.public_url is not None
            and any(table.name == name and not table.lacks((table.checks_with,)) for table in settings.phone_provider)
        )

    def read(self, name: str, request: Webhook) -> CallFacts:
        """Return which call a checked request is about; raises `ProtocolError`."""
        return self.understand(lambda: read_call(name, request))

    def understand(self, read: Callable[[], Read]) -> Read:
        """Return what `read` returns; raises `ProtocolError` for what it cannot read."""
        try:
            return read()
        except BadWebhook as error:
            raise ProtocolError("invalid_value", str(error)) from None

    def answer(self, name: str, request: Webhook) -> Answer:
        """Answer a checked request about a call that rings; raises `ProtocolError` or `Refusal`."""
        facts = self.read(name, request)
        return self.once(request, facts, lambda: self._answer(facts))

    def _answer(self, facts: CallFacts) -> Answer:
        settings = self.settings()
        agent = find_agent(settings, facts)
        if agent is None:
            self._log("nobody answers the number that was called", facts)
            return refuse(facts.provider, "rejected")
        return self.stream(Admitted(facts, agent))

    def stream(self, admitted: Admitted) -> Answer:
        """Return the answer that streams a call, or that of a busy line if too many calls have not come."""
        facts = admitted.facts
        try:
            token = self.tokens.issue(admitted, self.now_s())
        except NoRoomForTokens as error:
            self._log(f"the line is busy: {error}", facts)
            return refuse(facts.provider, "busy")
        return connect(facts, self.media_url(facts.provider), token)

    def once(self, request: Webhook, facts: CallFacts, make: Callable[[], Answer]) -> Answer:
        """Return the answer to a request; the same one if it is sent again, as long as its token may be good.

        Raises `Refusal` for a request that is sent again later: somebody replays it.
        """
        now_s = self.now_s()
        while self._answered and (
            len(self._answered) > MAX_REMEMBERED or next(iter(self._answered.values()))[0] + REMEMBERED_S < now_s
        ):
            del self._answered[next(iter(self._answered))]
        told = f"{facts.provider}\n{facts.provider_call_id}\n{request.method}\n{request.url}\n".encode()
        key = sha256(told + request.body).digest()
        if (held := self._answered.get(key)) is not None:
            if held[0] + TOKEN_LIFETIME_S > now_s:
                return held[1]
            self._log("a request was sent again", facts)
            raise Refusal(409, "request_replayed", "This request was answered before.")
        answer = make()
        self._answered[key] = (now_s, answer)
        return answer

    def _log(self, message: str, facts: CallFacts) -> None:
        caller = caller_id(facts.caller, self.settings())
        log_event(logger, logging.WARNING, message, {"provider": facts.provider, "caller": caller})


def whole_url(webhooks: Webhooks, path: str, query: str) -> str:
    """Return the public address of a request, as the provider signs it."""
    return webhooks.url(path) + (f"?{query}" if query else "")
