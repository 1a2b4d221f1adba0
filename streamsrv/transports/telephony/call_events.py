"""What becomes of a call when its provider asks or reports: answered, refused, transferred, or ended."""

import logging
import re
from dataclasses import replace

from streamsrv.errors import EngineError
from streamsrv.observability.logging import log_event
from streamsrv.observability.metrics import EndReason
from streamsrv.phone_settings import DESTINATION
from streamsrv.settings import Settings
from streamsrv.supervisor import Supervisor
from streamsrv.transports.live_calls import LiveCalls
from streamsrv.transports.telephony.agents import find_agent
from streamsrv.transports.telephony.caller_ids import caller_id
from streamsrv.transports.telephony.line import CallFacts
from streamsrv.transports.telephony.masking import masked
from streamsrv.transports.telephony.outbound import QUERY, OutboundCall, OutboundCalls
from streamsrv.transports.telephony.phone_call import PhoneCall
from streamsrv.transports.telephony.provider_apis import ProviderApis
from streamsrv.transports.telephony.providers.answers import Answer, dial, hang_up_answer, stream_address
from streamsrv.transports.telephony.providers.reports import Report, event_of, read_report
from streamsrv.transports.telephony.providers.rest_requests import RestRequest, TelnyxRequests
from streamsrv.transports.telephony.providers.webhook import BadWebhook, Webhook
from streamsrv.transports.telephony.tokens import Admitted, NoRoomForTokens
from streamsrv.transports.telephony.webhooks import Webhooks

logger = logging.getLogger(__name__)

DIAL = "dial"
"""The parameter of an address that answers with a transfer: the destination in hexadecimal digits."""
VOICEMAIL = "voicemail"
TAKEN = Answer("{}", "application/json")
"""The answer to an event that wants none."""


class CallEvents:
    """The events of one server's calls; all requests were checked before."""

    def __init__(
        self,
        webhooks: Webhooks,
        apis: ProviderApis,
        outbound: OutboundCalls,
        live: LiveCalls,
        background: Supervisor,
    ) -> None:
        self._webhooks = webhooks
        self._apis = apis
        self._outbound = outbound
        self._live = live
        self._background = background

    @property
    def _settings(self) -> Settings:
        return self._webhooks.settings()

    def asked(self, provider: str, request: Webhook) -> Answer:
        """Answer a provider that asks what to do with a call; raises `ProtocolError` or `Refusal`."""
        query = dict(request.query)
        if DIAL in query:
            return dial(provider, self._webhooks.understand(lambda: _destination(query[DIAL])))
        if provider == "telnyx" and request.is_json:
            return self._call_control(request)
        key = query.get(QUERY) or (request.fields.get("CustomField", "") if provider == "exotel" else "")
        if not key:
            return self._webhooks.answer(provider, request)
        facts = replace(self._webhooks.read(provider, request), direction="outbound")
        if (call := self._outbound.find(key)) is None:
            self._log("an outbound call that is not known is ended", facts)
            return hang_up_answer(provider)
        if call.is_unwanted:
            return hang_up_answer(provider)
        call.call_id, call.is_answered = facts.provider_call_id, True
        facts = replace(facts, call_id=call.id)
        agent = call.voicemail_agent if VOICEMAIL in query else call.agent
        admitted = Admitted(facts, agent, call.principal)
        return self._webhooks.once(request, facts, lambda: self._webhooks.stream(admitted))

    def reported(self, provider: str, request: Webhook) -> Answer:
        """Take a report of a provider; raises `ProtocolError`."""
        report = self._webhooks.understand(lambda: read_report(provider, request))
        self._take(provider, report, self._outbound.find(dict(request.query).get(QUERY, "")))
        return TAKEN

    def _take(self, provider: str, report: Report, call: OutboundCall | None) -> None:
        call = call or self._outbound.named(provider, report.call_id)
        if report.has_ended:
            # Vonage reports the ends of a call's streams, too, by ids of their own.
            if call is not None and (not call.is_answered or call.call_id == report.call_id):
                self._outbound.forget(call)
            self._hang_up(provider, report.call_id, "The provider reports that the call has ended.")
        elif report.answered_by == "fax":
            self._end(provider, report.call_id, call, "A fax machine has answered.")
        elif report.answered_by == "machine" and call is not None and not call.is_left_a_message:
            if not call.voicemail:
                self._end(provider, report.call_id, call, "An answering machine has answered.")
            elif report.may_speak and not call.is_unwanted:
                call.is_left_a_message = True
                self._speak_to_machine(call, report.call_id)

    def _speak_to_machine(self, call: OutboundCall, call_id: str) -> None:
        """Have the message said in the stream of the call, or in another one if it has not begun."""
        if not any(live.leave_message() for live in self._found(call.provider, call_id)):
            self._background.spawn(self._leave_message(call, call_id), "a message for an answering machine")

    def _end(self, provider: str, call_id: str, call: OutboundCall | None, reason: str) -> None:
        """End a call that a machine has answered; one that was not streamed yet is ended in the network."""
        if self._found(provider, call_id):
            self._hang_up(provider, call_id, reason, "machine_answered")
        elif call is not None:
            call.call_id = call_id
            self._outbound.end(call, reason)

    async def _leave_message(self, call: OutboundCall, call_id: str) -> None:
        """Have another stream begin in the call, whose agent says the message."""
        api = self._apis.of(call.provider)
        try:
            if api is None:
                raise EngineError(f"The REST API of {call.provider} is not configured.")
            if call.provider == "telnyx":
                assert isinstance(api.requests, TelnyxRequests)
                await api.send(api.requests.stop_stream(call_id), may_be_gone=True)
                facts = CallFacts("telnyx", call_id, call.from_, call.to, "outbound", call_id=call.id)
                url = self._stream_url(Admitted(facts, call.voicemail_agent, call.principal))
                await api.send(api.requests.answer(call_id, url, is_answered=True))
                return
            url = f"{self._webhooks.url(f'/{call.provider}')}?{QUERY}={call.key}&{VOICEMAIL}=1"
            await api.go_on(call_id, url)
        except (EngineError, NoRoomForTokens) as error:
            logger.warning("no message is left at an answering machine: %s", masked(str(error)))
            self._end(call.provider, call_id, call, "An answering machine has answered.")

    def _found(self, provider: str, call_id: str) -> list[PhoneCall]:
        """Return the call that runs under the provider's name of it, if there is one."""
        named = provider, call_id
        calls = (call for call in self._live if isinstance(call, PhoneCall))
        return [call for call in calls if (call.facts.provider, call.facts.provider_call_id) == named]

    def _hang_up(self, provider: str, call_id: str, reason: str, end_reason: EndReason = "hung_up") -> None:
        for call in self._found(provider, call_id):
            call.hang_up(reason, end_reason)

    def _call_control(self, request: Webhook) -> Answer:
        """Take an event of Telnyx's Call Control, which is obeyed by commands of the REST API."""
        facts = self._webhooks.read("telnyx", request)
        event = event_of(request)
        call = self._outbound.find(dict(request.query).get(QUERY, "")) or self._outbound.named(
            "telnyx", facts.provider_call_id
        )
        if event == "call.initiated" and facts.direction == "inbound":
            return self._webhooks.once(request, facts, lambda: self._answer_by_command(facts))
        if event == "call.answered" and call is not None:
            if call.is_unwanted:
                self._command(TelnyxRequests("").hang_up(facts.provider_call_id))
                return TAKEN
            call.call_id, call.is_answered = facts.provider_call_id, True
            facts = replace(facts, direction="outbound", call_id=call.id)
            admitted = Admitted(facts, call.agent, call.principal)
            return self._webhooks.once(request, facts, lambda: self._stream_by_command(admitted, is_answered=True))
        report = self._webhooks.understand(lambda: read_report("telnyx", request))
        self._take("telnyx", report, call)
        return TAKEN

    def _answer_by_command(self, facts: CallFacts) -> Answer:
        agent = find_agent(self._settings, facts)
        if agent is None:
            self._log("nobody answers the number that was called", facts)
            requests = TelnyxRequests("")
            self._command(requests.reject(facts.provider_call_id, "CALL_REJECTED"))
            return TAKEN
        return self._stream_by_command(Admitted(facts, agent), is_answered=False)

    def _stream_by_command(self, admitted: Admitted, *, is_answered: bool) -> Answer:
        requests, call_id = TelnyxRequests(""), admitted.facts.provider_call_id
        try:
            url = self._stream_url(admitted)
        except NoRoomForTokens:
            self._command(requests.hang_up(call_id) if is_answered else requests.reject(call_id, "USER_BUSY"))
            return TAKEN
        self._command(requests.answer(call_id, url, is_answered=is_answered))
        return TAKEN

    def _stream_url(self, admitted: Admitted) -> str:
        token = self._webhooks.tokens.issue(admitted, self._webhooks.now_s())
        return stream_address(self._webhooks.media_url(admitted.facts.provider), token)

    def _command(self, request: RestRequest) -> None:
        async def send() -> None:
            api = self._apis.of("telnyx")
            try:
                if api is None:
                    raise EngineError("Call Control needs api_key_variable in the [[phone_provider]] table of telnyx.")
                await api.send(request)
            except EngineError as error:
                logger.warning("a command for a call of telnyx has failed: %s", masked(str(error)))

        self._background.spawn(send(), "a command for a telephone call")

    def _log(self, message: str, facts: CallFacts) -> None:
        fields = {"provider": facts.provider, "caller": caller_id(facts.caller, self._settings)}
        log_event(logger, logging.WARNING, message, fields)


def _destination(digits: str) -> str:
    """Return what the digits of a transfer's address stand for; raises `BadWebhook`."""
    try:
        destination = bytes.fromhex(digits).decode()
    except ValueError:
        destination = ""
    if not re.fullmatch(DESTINATION, destination):
        raise BadWebhook(f"The parameter '{DIAL}' holds no telephone.")
    return destination
