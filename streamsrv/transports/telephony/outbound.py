"""Calls that this server begins, until they have ended."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.errors import EngineError
from streamsrv.ids import new_id
from streamsrv.phone_provider_settings import PhoneProviderSettings, may_call
from streamsrv.phone_settings import DESTINATION, PhoneNumberSettings
from streamsrv.protocol.errors import ProtocolError
from streamsrv.settings import Settings
from streamsrv.supervisor import Supervisor
from streamsrv.token_bucket import TokenBucket
from streamsrv.transports.live_calls import LiveCalls
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.agents import agent_of, voicemail_agent
from streamsrv.transports.telephony.caller_ids import caller_id
from streamsrv.transports.telephony.dialled_call import DialledCall
from streamsrv.transports.telephony.line import CallFacts
from streamsrv.transports.telephony.masking import masked
from streamsrv.transports.telephony.provider_apis import ProviderApis
from streamsrv.transports.telephony.providers.rest_requests import Outgoing
from streamsrv.transports.telephony.webhooks import Webhooks

logger = logging.getLogger(__name__)

MAX_OUTBOUND = 1000
"""Calls that are known at once."""
FORGOTTEN_S = 4 * 3600.0
"""Seconds after which a call whose end was not reported is forgotten."""
QUERY = "outbound"
"""The parameter of a webhook's address that names a call of this server."""


@dataclass(slots=True)
class OutboundCall:
    """One call. `voicemail`: what is said to an answering machine; empty: the call ends."""

    key: str = field(repr=False)
    provider: str
    to: str
    from_: str
    agent: Agent
    principal: Principal
    voicemail: str
    began_s: float
    dialled: DialledCall
    """What clients find under the call's id until it is answered."""
    call_id: str = ""
    """The provider's name of it; empty until it is known."""
    is_answered: bool = False
    """Whether the provider has asked what to do with the call, so that `call_id` is what reports name."""
    is_left_a_message: bool = False
    is_unwanted: bool = False
    """Whether the call is to end, although its stream may still come."""

    @property
    def id(self) -> str:
        """The id under which clients know the call."""
        return self.dialled.id

    @property
    def voicemail_agent(self) -> Agent:
        """Return who leaves the message."""
        return voicemail_agent(self.agent)


class OutboundCalls:
    """The calls of one server."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        webhooks: Webhooks,
        apis: ProviderApis,
        live: LiveCalls,
        background: Supervisor,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._webhooks = webhooks
        self._apis = apis
        self._live = live
        self._background = background
        self._clock_s = clock_s
        self._calls: dict[str, OutboundCall] = {}
        self._budgets: dict[str, tuple[int, TokenBucket]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def find(self, key: str) -> OutboundCall | None:
        """Return a call by its key in the address of a webhook."""
        return self._calls.get(key)

    def named(self, provider: str, call_id: str) -> OutboundCall | None:
        """Return a call by the provider's name of it."""
        found = (call for call in self._calls.values() if (call.provider, call.call_id) == (provider, call_id))
        return next(found, None)

    def forget(self, call: OutboundCall) -> None:
        """Forget a call that has ended."""
        self._calls.pop(call.key, None)
        self._leave(call, "The call has ended.")

    def is_unwanted(self, call_id: str) -> bool:
        """Whether the call of this id (`rtc_...`) is to end, so that its stream is not served."""
        return any(call.is_unwanted for call in self._calls.values() if call.id == call_id)

    def end(self, call: OutboundCall, reason: str) -> None:
        """End a call whose stream has not begun, in the network, too. It stays known until the provider reports it."""
        if call.is_unwanted:
            return
        call.is_unwanted = True
        self._leave(call, reason)
        if call.call_id:
            self._background.spawn(self._hang_up(call), "the end of an outbound call")

    def _leave(self, call: OutboundCall, reason: str) -> None:
        """Clients do not find the call any more, unless its stream has begun."""
        call.dialled.end(reason)
        self._live.remove(call.dialled)

    async def _hang_up(self, call: OutboundCall) -> None:
        api = self._apis.of(call.provider)
        try:
            if api is not None:
                await api.hang_up(CallFacts(call.provider, call.call_id, call.from_, call.to, "outbound"))
        except EngineError as error:
            logger.warning("%s did not end a call: %s", call.provider, masked(str(error)))

    async def begin(self, to: str, from_: str, agent: str, provider: str, principal: Principal) -> OutboundCall:
        """Begin a call; raises `ProtocolError`, `Refusal`, `Unavailable` or `Rejected`."""
        table = self._provider(provider)
        number = self._agent(agent)
        if not re.fullmatch(DESTINATION, to) or not may_call(table, to):
            allowed = ", ".join(table.outbound_to)
            raise ProtocolError("invalid_value", f"'to': {to[:64]!r} may not be called; allowed are {allowed}.", "to")
        from_ = from_ or table.outbound_from[0]
        if from_ not in table.outbound_from:
            own = ", ".join(table.outbound_from)
            raise ProtocolError(
                "invalid_value", f"'from': {from_[:64]!r} is no number of ours; they are {own}.", "from"
            )
        self._check_room(table)
        api = self._apis.of(table.name)
        if api is None:
            raise Refusal(503, "phone_provider_not_configured", f"The REST API of {table.name} is not configured.")
        key = secrets.token_urlsafe(18)
        answers, now_s = agent_of(number), self._clock_s()
        caller, end = caller_id(from_, self._settings()), partial(self._end, key)
        dialled = DialledCall(new_id("rtc"), table.name, answers.name, principal, caller, end)
        call = OutboundCall(key, table.name, to, from_, answers, principal, number.voicemail, now_s, dialled)
        self._calls[key] = call
        self._live.add(dialled)
        answer_url = f"{self._webhooks.url(f'/{table.name}')}?{QUERY}={key}"
        status_url = f"{self._webhooks.url(f'/{table.name}/status')}?{QUERY}={key}"
        try:
            leaves = bool(call.voicemail)
            asked = Outgoing(to, from_, answer_url, status_url, table.detect_machines, leaves, key)
            call.call_id = await api.begin(asked)
        except BaseException:
            self.forget(call)
            raise
        return call

    def _end(self, key: str, reason: str) -> None:
        if (call := self.find(key)) is not None:
            self.end(call, reason)

    def _provider(self, name: str) -> PhoneProviderSettings:
        able = [table for table in self._settings().phone_provider if table.outbound]
        if not able:
            message = "This server begins no calls: no [[phone_provider]] table has outbound = true."
            raise Refusal(403, "outbound_calls_not_allowed", message)
        if not name and len(able) == 1:
            return self._webhooks.provider(able[0].name)
        if name not in (table.name for table in able):
            names = ", ".join(table.name for table in able)
            raise ProtocolError("invalid_value", f"'provider': {name[:64]!r} is none of {names}.", "provider")
        return self._webhooks.provider(name)

    def _agent(self, name: str) -> PhoneNumberSettings:
        numbers = self._settings().phone_number
        found = next((number for number in numbers if number.agent_name == name), None)
        if found is None:
            names = ", ".join(number.agent_name for number in numbers) or "none"
            raise ProtocolError("invalid_value", f"'agent': {name[:64]!r} is no agent; they are {names}.", "agent")
        return found

    def _check_room(self, table: PhoneProviderSettings) -> None:
        now_s = self._clock_s()
        for call in [call for call in self._calls.values() if call.began_s + FORGOTTEN_S < now_s]:
            self.forget(call)
        if len(self._calls) >= MAX_OUTBOUND:
            raise Refusal(429, "too_many_calls", f"{MAX_OUTBOUND} calls go on already.", retry_after_s=60)
        rate = table.outbound_per_minute
        held = self._budgets.get(table.name)
        if held is None or held[0] != rate:
            held = rate, TokenBucket(rate / 60, rate)
            self._budgets[table.name] = held
        if not held[1].take(1, now_s):
            message = f"{rate} calls of {table.name} began within a minute (outbound_per_minute)."
            raise Refusal(429, "rate_limit_exceeded", message, retry_after_s=max(1, 60 // rate))
