"""Builds what a server has for telephone calls, besides the calls themselves."""

import secrets

from starlette.applications import Starlette

from streamsrv.service import Service
from streamsrv.transports.telephony.call_events import DIAL, CallEvents
from streamsrv.transports.telephony.outbound import OutboundCalls
from streamsrv.transports.telephony.provider_apis import ProviderApis
from streamsrv.transports.telephony.tokens import PhoneTokens
from streamsrv.transports.telephony.webhooks import Webhooks


def add_telephony(app: Starlette, service: Service) -> None:
    """Put the parts into `app.state`, which has the live calls already."""
    tokens = PhoneTokens(secrets.token_urlsafe)
    webhooks = Webhooks(lambda: service.settings, tokens)
    apis = ProviderApis(lambda: service.settings, lambda provider: f"{webhooks.url(f'/{provider}')}?{DIAL}=")
    live = app.state.live_calls
    outbound = OutboundCalls(lambda: service.settings, webhooks, apis, live, service.background)
    app.state.phone_tokens = tokens
    app.state.webhooks = webhooks
    app.state.provider_apis = apis
    app.state.outbound_calls = outbound
    app.state.call_events = CallEvents(webhooks, apis, outbound, live, service.background)
