"""Sends the webhook of an incoming call to the operator's application, again while it fails."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streamsrv.ids import new_id
from streamsrv.transports.telephony.agent import Application
from streamsrv.transports.telephony.application.incoming_event import UnusableSecret, incoming_event, signed_headers
from streamsrv.transports.telephony.line import CallFacts
from streamsrv.web_addresses import is_loopback

if TYPE_CHECKING:
    import httpx2

logger = logging.getLogger(__name__)

TIMEOUT_S = 8.0
"""Seconds for which an attempt waits for the application. It may accept the call before it answers the webhook."""
PAUSES_S = (0.5, 1.0, 2.0)
"""Seconds between the attempts: a caller waits, so they are few."""
USER_AGENT = "streamsrv (OpenAI-compatible webhooks)"


class NotDelivered(Exception):
    """The application did not take the webhook; the text is a sentence."""


async def deliver(application: Application, call_id: str, facts: CallFacts, is_over: Callable[[], bool]) -> None:
    """Send `realtime.call.incoming` until the application takes it with a 2xx status; raises `NotDelivered`.

    `is_over`: whether the call rings no longer; then there is no further attempt. All attempts have the same
    `webhook-id`, by which the application knows them as one. Redirects are not followed.
    """
    secret = os.environ.get(application.secret_variable, "")
    if not secret:
        raise NotDelivered(f"The environment variable {application.secret_variable} has no secret for the webhook.")
    try:
        import httpx2
    except ImportError as error:
        raise NotDelivered("The package httpx2 is missing: pip install 'streamsrv[telephony]'.") from error
    body = incoming_event(call_id, facts, new_id("evt"), int(time.time()))
    webhook_id = new_id("wh")
    trust_env = not is_loopback(urlsplit(application.url).hostname or "")
    async with httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=trust_env) as client:
        for pause_s in (*PAUSES_S, None):
            try:
                signed = signed_headers(secret, webhook_id, int(time.time()), body)
            except UnusableSecret as error:
                raise NotDelivered(f"The secret in {application.secret_variable} cannot be used: {error}.") from error
            failure = await _attempt(client, application.url, body, signed)
            if failure is None or is_over():
                return
            if pause_s is None:
                raise NotDelivered(f"The application did not take the webhook: {failure}.")
            logger.warning("the application did not take the webhook of call %s: %s", call_id, failure)
            await asyncio.sleep(pause_s)
            if is_over():
                return


async def _attempt(client: "httpx2.AsyncClient", url: str, body: bytes, signed: dict[str, str]) -> str | None:
    """Send the webhook once; return what was wrong, or None. The body of the answer is not read."""
    import httpx2

    headers = {"content-type": "application/json", "user-agent": USER_AGENT, **signed}
    try:
        async with asyncio.timeout(TIMEOUT_S), client.stream("POST", url, content=body, headers=headers) as response:
            return None if response.is_success else f"it answered with status {response.status_code}"
    except TimeoutError:
        return f"it did not answer within {TIMEOUT_S:g} seconds"
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        return f"{type(error).__name__}: {error}"
