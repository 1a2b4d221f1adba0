"""What a server decides about the streams of telephone calls: who may open one, and who answers."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from starlette.websockets import WebSocket

from streamsrv.access.authentication import identify
from streamsrv.access.principal import KeyLimits, Principal
from streamsrv.ids import new_id
from streamsrv.service import Service
from streamsrv.settings import Settings
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.agents import find_agent
from streamsrv.transports.telephony.codecs.facts import call_facts
from streamsrv.transports.telephony.line import CallFacts, Line
from streamsrv.transports.telephony.media_socket import Answered, StreamRefused
from streamsrv.transports.telephony.provider_apis import ProviderApis
from streamsrv.transports.telephony.tokens import TOKEN_PARAMETER, PhoneTokens, TokenRefused
from streamsrv.transports.telephony.webhooks import Webhooks

Serve = Callable[[Line, Agent, Principal], Awaitable[None]]


def telephone_principal(settings: Settings) -> Principal:
    """Return on whose account telephone calls run that no API key began: one for all of them."""
    return Principal("telephone", limits=KeyLimits(cost_per_session=settings.max_cost_per_session))


class PhoneExchange:
    """The `Exchange` of a server.

    `serve`: answers a call, and returns when it has ended. `is_unwanted`: whether the outbound call of an id is to end.
    """

    def __init__(
        self,
        service: Service,
        tokens: PhoneTokens,
        webhooks: Webhooks,
        apis: ProviderApis,
        serve: Serve,
        is_unwanted: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._service = service
        self._tokens = tokens
        self._webhooks = webhooks
        self._apis = apis
        self._serve = serve
        self._is_unwanted = is_unwanted

    def check_handshake(self, websocket: WebSocket, provider: str) -> None:
        """Check the signature of the handshake, if there is one; raises `Refusal`."""
        self._webhooks.check_handshake(provider, websocket.headers, websocket.url.query)

    def admit(self, websocket: WebSocket, facts: CallFacts) -> Answered:
        """Admit a stream with the token of a webhook; without one, a client that may open a session by itself.

        The latter is for tests and simulators: it has an API key, or is on this machine where no keys are needed. It
        may name any call, so nothing is done with that call at the provider.
        """
        facts = with_query(facts, websocket.query_params)
        if token := facts.parameters.get(TOKEN_PARAMETER):
            is_signed = "x-twilio-signature" in websocket.headers
            if self._webhooks.signs_handshakes(facts.provider) and not is_signed:
                raise StreamRefused("The handshake is not signed by twilio.")
            try:
                admitted = self._tokens.redeem(token, facts.provider, facts.provider_call_id, time.time())
            except TokenRefused as refused:
                raise StreamRefused(str(refused)) from refused
            if self._is_unwanted(admitted.facts.call_id):
                raise StreamRefused("The call was ended before its stream began.")
            principal = admitted.principal or telephone_principal(self._service.settings)
            return Answered(admitted.facts, admitted.agent, principal, self._apis.of(facts.provider))
        principal = identify(websocket, self._service.authentication.for_request)
        agent = find_agent(self._service.settings, facts)
        if agent is None:
            raise StreamRefused("No [[phone_number]] table answers the number that was called.")
        if not facts.provider_call_id:  # the stream was not opened by the answer to a webhook
            facts = replace(facts, provider_call_id=new_id("call"))
        return Answered(facts, agent, principal)

    async def serve(self, line: Line, agent: Agent, principal: Principal) -> None:
        """Answer a call, and return when it has ended."""
        await self._serve(line, agent, principal)


def with_query(facts: CallFacts, query: Mapping[str, str]) -> CallFacts:
    """Return the facts with the parameters of a stream's URL, which count as custom parameters."""
    given = dict(query) | dict(facts.parameters)
    return call_facts(facts.provider, facts.provider_call_id, given, caller=facts.caller, called=facts.called)
