"""The REST APIs of telephone providers: end, transfer and begin calls."""

import asyncio
import base64
import os
import re
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from streamsrv.errors import Rejected, Unavailable
from streamsrv.ids import new_id
from streamsrv.phone_provider_settings import PhoneProviderSettings
from streamsrv.phone_settings import DESTINATION
from streamsrv.settings import Settings
from streamsrv.transports.telephony.line import CallFacts
from streamsrv.transports.telephony.providers.rest_requests import (
    API_URLS,
    Outgoing,
    Requests,
    RestRequest,
    Unsupported,
    requests_of,
)
from streamsrv.web_addresses import is_loopback

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 10.0
"""Seconds within which an API must have answered."""
MAX_ANSWER_BYTES = 256 * 1024
MAX_AT_ONCE = 20
"""Requests at once to all APIs; others wait."""
MAX_TOLD_CHARS = 200
"""Characters of what an API says of an error that are passed on."""


class ProviderApi:
    """The API of one provider. All methods raise `Unavailable` or `Rejected`."""

    def __init__(
        self, provider: PhoneProviderSettings, environ: Mapping[str, str], slots: asyncio.Semaphore, dial_url: str
    ) -> None:
        self._provider = provider
        self._environ = environ
        self._slots = slots
        self._dial_url = dial_url
        self.requests: Requests = requests_of(provider)

    async def hang_up(self, facts: CallFacts) -> None:
        """End a call; one that has ended already counts as ended."""
        request = self.requests.hang_up(facts.provider_call_id)
        if request is not None:
            await self.send(request, may_be_gone=True)

    async def transfer(self, facts: CallFacts, destination: str) -> None:
        """Give a call to another telephone: a number, `tel:` or `sip:` URI."""
        scheme, colon, number = destination.partition(":")
        if scheme.lower() == "tel":
            destination = f"tel:{re.sub(r'[().-]', '', number)}"  # RFC 3966: separators that mean nothing
        elif colon:
            destination = f"{scheme.lower()}:{number}"
        if not re.fullmatch(DESTINATION, destination):
            raise Rejected(f"{destination[:64]!r} is not a number, tel: or sip: address.")
        url = f"{self._dial_url}{destination.encode().hex()}"
        try:
            request = self.requests.transfer(facts.provider_call_id, destination, url)
        except Unsupported as error:
            raise Rejected(str(error)) from error
        await self.send(request)

    async def go_on(self, call_id: str, url: str) -> None:
        """Have a call ask an address of this server what to do next."""
        try:
            request = self.requests.go_on(call_id, url)
        except Unsupported as error:
            raise Rejected(str(error)) from error
        await self.send(request)

    async def begin(self, call: Outgoing) -> str:
        """Begin a call, and return the provider's name of it."""
        answer = await self.send(self.requests.begin(call))
        if not (call_id := self.requests.call_id(answer)):
            raise Unavailable(f"{self._provider.name} did not say which call it has begun.")
        return call_id

    async def send(self, request: RestRequest, *, may_be_gone: bool = False) -> Any:
        """Send a request, and return the JSON of the answer. `may_be_gone`: an unknown call is no error."""
        name = self._provider.name
        try:
            import httpx2
        except ImportError as error:
            raise Unavailable("The package httpx2 is missing: pip install 'streamsrv[telephony]'.") from error
        url = (self._provider.api_url or API_URLS[name]).rstrip("/")
        headers = {"authorization": self._authorization()}
        trust_env = not is_loopback(urlsplit(url).hostname or "")
        body: dict[str, Any] = {"data": dict(request.form)} if request.form else {}
        if request.json is not None:
            body = {"json": request.json}
        certificates = await asyncio.to_thread(_certificates)
        try:
            async with (
                self._slots,
                asyncio.timeout(TIMEOUT_S),
                httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=trust_env, verify=certificates) as client,
                client.stream(request.method, f"{url}{request.path}", headers=headers, **body) as response,
            ):
                text = await _bounded(response)
        except TimeoutError:
            raise Unavailable(f"{name} did not answer within {TIMEOUT_S:g} seconds.") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Unavailable(f"{name} cannot be reached: {type(error).__name__}.") from error
        status = response.status_code
        if response.is_success:
            return _json(text)
        if may_be_gone and status in (404, 409, 422):
            return None
        told = f"{name} answered with status {status}: {_told(text)}"
        if status in (401, 403):
            raise Unavailable(told, refuses_key=True)
        if status in (408, 429) or status >= 500:
            raise Unavailable(told)
        raise Rejected(told)

    def _authorization(self) -> str:
        provider = self._provider
        if lacking := provider.lacks(provider.controls_with):
            raise Unavailable(f"The [[phone_provider]] table of {provider.name} lacks {' and '.join(lacking)}.")
        variables = [name for name in provider.controls_with if name.endswith("_variable")]
        secrets = [provider.secret(name, self._environ) for name in variables]
        for name, secret in zip(variables, secrets, strict=True):
            if not secret:
                raise Unavailable(f"The environment variable that {name} of {provider.name} names is not set.")
        match provider.name:
            case "telnyx":
                return f"Bearer {secrets[0]}"
            case "vonage":
                return f"Bearer {_signed_by_application(getattr(provider, 'application', ''), secrets[0])}"
            case "exotel":
                pair = f"{secrets[0]}:{secrets[1]}"
            case _:
                pair = f"{getattr(provider, 'account', '')}:{secrets[0]}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


class ProviderApis:
    """The APIs of the providers in the settings in force. `dial_url` returns the address that answers with a transfer,
    up to the destination."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        dial_url: Callable[[str], str],
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = settings
        self._dial_url = dial_url
        self._environ = os.environ if environ is None else environ
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)

    def of(self, name: str) -> ProviderApi | None:
        """Return the API of a provider; None: the settings do not have what it needs."""
        found = next((table for table in self._settings().phone_provider if table.name == name), None)
        if found is None or found.lacks(found.controls_with):
            return None
        return ProviderApi(found, self._environ, self._slots, self._dial_url(name))


@cache
def _certificates() -> ssl.SSLContext:
    """Return the certificates that are trusted; reading them takes long, so it is done once, on a thread."""
    return ssl.create_default_context()


async def _bounded(response: "httpx2.Response") -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise Unavailable(f"The answer is longer than {MAX_ANSWER_BYTES} bytes.")
    return bytes(body)


def _json(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text) if text else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _told(text: bytes) -> str:
    """Return what an API says of an error, on one line."""
    answer = _json(text)
    if isinstance(answer, dict):
        errors = answer.get("errors")  # pyright: ignore[reportUnknownVariableType]
        if isinstance(errors, list) and errors and isinstance(errors[0], dict):
            answer = errors[0]  # pyright: ignore[reportUnknownVariableType]
        for name in ("detail", "message", "title", "error"):
            if isinstance(found := answer.get(name), str):  # pyright: ignore[reportUnknownVariableType]
                return " ".join(found.split())[:MAX_TOLD_CHARS]
    return " ".join(text.decode(errors="replace").split())[:MAX_TOLD_CHARS] or "no reason"


def _signed_by_application(application: str, private_key: str) -> str:
    """Return the JWT (RS256) of a Vonage application. Raises `Unavailable`."""
    try:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise Unavailable("The package cryptography is missing: pip install 'streamsrv[telephony]'.") from error
    now_s = int(time.time())
    claims = {"application_id": application, "iat": now_s, "exp": now_s + 60, "jti": new_id("jwt")}
    parts = [_url_base64(msgspec.json.encode(part)) for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
    try:
        key = load_pem_private_key(private_key.replace("\\n", "\n").encode(), None)
    except (ValueError, TypeError) as error:
        raise Unavailable("The private key of vonage is no key in PEM without a password.") from error
    if not isinstance(key, RSAPrivateKey):
        raise Unavailable("The private key of vonage is no RSA key.")
    signature = key.sign(".".join(parts).encode(), PKCS1v15(), SHA256())
    return ".".join([*parts, _url_base64(signature)])


def _url_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
