"""A server that logs at debug level in the format of the first argument, and the clients that give it something to log.

Run by `test_log.py` in a process of its own, because the log belongs to the process.
"""

import asyncio
import sys
from urllib.parse import quote

from scripted_provider import USAGE, ScriptedProvider, chunk
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rest import ask, post_json
from serving import RunningServer, serving
from streamsrv.engines.llm.openai_compatible import OpenAICompatibleChatModel, OpenAICompatibleOptions
from streamsrv.observability.logging import configure_logging
from streamsrv.testing.fakes import fake_engines
from wire import quiet, tone, wire

KEY, PROVIDER_KEY, SECRET_KEY = "key-of-a-client", "sk-key-of-the-provider", "k" * 16 + "signs-client-secrets"
HEARD, TYPED, ANSWERED = "heardwords", "typedwords", "answeredwords"
FORGED = "a\n2026-01-01 CRITICAL streamsrv: forged"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def main() -> None:
    provider = ScriptedProvider()
    provider.chunks = [chunk({"content": f"{ANSWERED}."}), chunk({}, "stop"), USAGE]
    async with provider.running():
        options = OpenAICompatibleOptions(model="m", base_url=provider.base_url)
        chat = OpenAICompatibleChatModel("provider", options, PROVIDER_KEY)
        with serving(fake_engines(chat, HEARD), api_keys=KEY, secret_key=SECRET_KEY) as server:
            await talk(server)
            await be_refused(server)


async def talk(server: RunningServer) -> None:
    made = await post_json(server, "/realtime/client_secrets", {"session": {"type": "realtime"}}, bearer(KEY))
    secret = made.json["value"]
    async with wire(server.realtime_url, additional_headers={"Authorization": f"Bearer {secret}"}) as client:
        print(secret)
        content = [{"type": "input_text", "text": TYPED}]
        await client.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        await client.append(tone(1000) + quiet(1000))
        await client.until("response.done")
    request = {"model": "provider", "messages": [{"role": "user", "content": TYPED}]}
    answer = await post_json(server, "/chat/completions", request, bearer(KEY))
    assert ANSWERED in answer.body.decode()


async def be_refused(server: RunningServer) -> None:
    for _ in range(100):
        assert (await ask(server, "GET", "/models", headers=bearer("wrong"))).status == 401
    try:
        async with connect(f"{server.realtime_url}?captions={quote(FORGED)}", additional_headers=bearer(KEY)):
            raise AssertionError("connected")
    except InvalidStatus:
        pass
    try:
        async with connect(server.realtime_url, additional_headers={"Authorization": "Bearer wrong"}):
            raise AssertionError("connected")
    except InvalidStatus:
        pass
    await ask(server, "GET", "/forged%0A2026-01-01", headers=bearer(KEY))
    await post_json(server, "/audio/speech", {"input": "a", "voice": TYPED}, bearer(KEY))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"no HTTP\r\n\r\n")
    assert b"400" in await reader.readline()
    writer.close()


if __name__ == "__main__":
    configure_logging("debug", "json" if sys.argv[1] == "json" else "text")
    asyncio.run(main())
