"""A server that answers telephone calls, and callers who call it as each provider does."""

import asyncio
import base64
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from serving import RunningServer, serving
from streamsrv.calling.call import CallPlan, CallReport
from streamsrv.calling.dialling import dial, new_identity
from streamsrv.calling.peers.base import Identity
from streamsrv.calling.script import Manners, Turn
from streamsrv.engines.loaded import Engines

RATE = 16_000
"""Hz of what callers say; the line has its own."""
PUBLIC_URL = "https://voice.example.org"
CALLER, CALLED = "+4930111", "+4930222"
PROVIDERS = ("twilio", "telnyx", "plivo", "vonage", "exotel")
QUICK = Manners(pause_ms=300, greeting_ms=10_000, patience_ms=20_000)
"""A caller who answers soon, and waits long for an answer: on a busy machine it takes longer."""

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
SECRETS = {
    "twilio": "twilio-token",
    "telnyx": base64.b64encode(bytes(32)).decode(),
    "plivo": "plivo-token",
    "vonage": "vonage-secret",
    "exotel": "exotel:exotel-password",
}
VARIABLES = {
    "TWILIO_TOKEN": SECRETS["twilio"],
    "PLIVO_TOKEN": SECRETS["plivo"],
    "VONAGE_SECRET": SECRETS["vonage"],
    "EXOTEL_PASSWORD": "exotel-password",
}
TABLES: list[dict[str, Any]] = [
    {"name": "twilio", "account": "AC1", "auth_token_variable": "TWILIO_TOKEN"},
    {"name": "telnyx", "public_key": base64.b64encode(_KEY.public_key().public_bytes_raw()).decode()},
    {"name": "plivo", "account": "MA1", "auth_token_variable": "PLIVO_TOKEN"},
    {"name": "vonage", "signature_secret_variable": "VONAGE_SECRET"},
    {"name": "exotel", "webhook_user": "exotel", "webhook_password_variable": "EXOTEL_PASSWORD"},
]


@contextmanager
def answering(engines: Engines, number: dict[str, Any] | None = None, **settings: Any) -> Generator[RunningServer]:
    """Serve these engines to callers; `number`: more of the `[[phone_number]]` table."""
    agent = {"numbers": [CALLED], **(number or {})}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in VARIABLES.items():
            patch.setenv(name, value)
        with serving(
            engines, public_url=PUBLIC_URL, phone_number=[agent], phone_provider=TABLES, **settings
        ) as running:
            yield running


def identity(provider: str) -> Identity:
    return new_identity(provider, CALLER, CALLED)


async def called(
    server: RunningServer, provider: str, *turns: Turn, call: Identity | None = None, **plan: Any
) -> CallReport:
    """Call the server through its webhook, and return what happened."""
    given = {"manners": QUICK, "max_s": 60.0} | plan
    return await dial(
        provider,
        call or identity(provider),
        f"http://127.0.0.1:{server.port}",
        CallPlan("", turns, RATE, **given),
        SECRETS[provider],
        PUBLIC_URL,
    )


def tone(duration_ms: int) -> NDArray[np.int16]:
    """What the fake detector takes for speech."""
    return (8000 * np.sin(np.arange(duration_ms * RATE // 1000) * 0.1)).astype(np.int16)


def sounding_ms(pcm: NDArray[np.int16], sample_rate: int) -> int:
    """Return the length of audio between its first and its last sound, in ms."""
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 100)
    return int(loud[-1] - loud[0] + 1) * 1000 // sample_rate if len(loud) else 0


async def gathered(*calls: Any) -> list[CallReport]:
    return list(await asyncio.gather(*calls))
