"""A server behind a proxy, and how clients reach it."""

import asyncio
import io
import wave
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from certificates import Certificate
from rest import Answer
from reverse_proxies import PROXIES, RunningProxy
from serving import RunningServer, serving
from streamsrv.engines.loaded import Engines

KEY = "sk-operator-1"
PATIENCE_S = 30


@dataclass(frozen=True, slots=True)
class Front:
    """A server behind a proxy. `path` is the prefix under which the proxy serves it."""

    proxy: RunningProxy
    server: RunningServer
    certificate: Certificate
    path: str = ""

    @property
    def url(self) -> str:
        return f"{self.proxy.origin}{self.path}"

    @property
    def realtime_url(self) -> str:
        return f"{self.url.replace('https:', 'wss:')}/v1/realtime"

    @asynccontextmanager
    async def openai(self) -> AsyncGenerator[AsyncOpenAI]:
        """The stock client, with the authority of tests."""
        http = DefaultAsyncHttpxClient(verify=self.certificate.context())
        async with AsyncOpenAI(base_url=f"{self.url}/v1", api_key=KEY, max_retries=0, http_client=http) as client:
            yield client

    @asynccontextmanager
    async def realtime(self) -> AsyncGenerator[AsyncRealtimeConnection]:
        """A session of the stock client."""
        options: Any = {"ssl": self.certificate.context()}
        async with (
            self.openai() as client,
            client.realtime.connect(model="any", websocket_connection_options=options) as connection,
        ):
            yield connection

    @contextmanager
    def response(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, source: str = ""
    ) -> Generator[HTTPResponse]:
        """A response whose body is yet to be read; `source` is the address from which the client connects."""
        place = urlsplit(self.url)
        address = (source, 0) if source else None
        connection = HTTPSConnection(
            place.netloc, context=self.certificate.context(), timeout=PATIENCE_S, source_address=address
        )
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {KEY}", **(headers or {})})
            yield connection.getresponse()
        finally:
            connection.close()

    async def ask(self, method: str, path: str, body: bytes | None = None, **options: Any) -> Answer:
        """One request with the key; `path` includes the prefix."""

        def exchange() -> Answer:
            with self.response(method, path, body, **options) as response:
                return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

        return await asyncio.to_thread(exchange)


@contextmanager
def fronted(
    name: str, folder: Path, certificate: Certificate, engines: Engines, *, path: str = "", **settings: object
) -> Generator[Front]:
    """A server with a key behind the proxy of this name; `path` is the prefix of its paths."""
    with (
        serving(engines, api_keys=KEY, root_path=path, **settings) as server,
        PROXIES[name](folder, f"127.0.0.1:{server.port}", certificate, below_path=bool(path)) as proxy,
    ):
        yield Front(proxy, server, certificate, path)


def silent_wav(size: int) -> bytes:
    """A WAV file of this many bytes of samples: mono, 16 kHz, silent but for half a second at its start."""
    samples = np.zeros(size // 2, "<i2")
    samples[:8000] = 8000 * np.sin(np.arange(8000) * 0.1)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, 16_000, 0, "NONE", ""))
        writer.writeframes(samples.tobytes())
    return file.getvalue()
