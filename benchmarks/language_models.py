"""Measures the language models: speed of those on this machine, what this layer adds to the SDK, cost of common tasks.

    python benchmarks/language_models.py speed [MODEL ...]     # those that are pulled; or a file.gguf
    python benchmarks/language_models.py overhead              # over the bare openai package, to the first token
    python benchmarks/language_models.py words                 # of the model that judges the words of pauses
    python benchmarks/language_models.py cost                  # from the prices of the catalogue

Times mean something on a quiet machine only, so the load is printed, too; `overhead` also prints CPU time, which
depends less on it.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import openai

from apart import peak_bytes
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.catalogue import OPTIONAL_MODELS, ModelEntry, load_catalogue
from streamsrv.engines.llm.base import ChatModel, ChatOptions, Message, Text, Usage
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.local_models import is_local, tokens_per_s
from streamsrv.engines.readiness.machine import machine
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.turn.base import WordsTurnModel
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler

RUNS = 7
TOKENS = 48
REQUESTS = 150
PAUSE_S = 0.03
INSTRUCTIONS = Message("system", "You are a helpful voice assistant. Answer in one or two short sentences.")
NEW_WORDS = (4, 8, 16, 32)
SPOKEN = (
    "I was walking home from the market on Tuesday when it began to rain and the man who sells apples gave me an old "
    "umbrella because he said that nobody should get wet before dinner so I thanked him and asked where his shop is in "
    "the winter and he told me about a yard behind the station with green doors and a small brown dog"
)
QUESTIONS = ("What is the capital of France?", "Why do birds sing?", "Tell me about the sea.", "What is a lamp?")
TASKS = {
    "a question and its answer": (400, 60),
    "ten turns of small talk": (10 * 900, 10 * 50),
    "a function call and its result": (2 * 900, 120),
    "a summary of a long talk": (6_000, 300),
}
"""Tokens read and written, of prompts with instructions, tools and history as the server sends them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "overhead", "words", "cost"))
    parser.add_argument("models", nargs="*")
    given = parser.parse_args()
    print(f"# {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    match given.what:
        case "speed":
            for entry, path, size in _chosen(given.models):
                asyncio.run(_speed(entry, path, size))
        case "overhead":
            asyncio.run(_overhead())
        case "words":
            asyncio.run(_words(given.models or [OPTIONAL_MODELS["turn_words"]]))
        case _:
            _cost()


# --- speed ------------------------------------------------------------------------------------------------------------


def _chosen(names: Sequence[str]) -> list[tuple[ModelEntry, Path, int]]:
    """Return the entries, their weights and the bytes of these: the named ones, or all local ones that are ready."""
    catalogue, store = load_catalogue(), ModelStore()
    chosen: list[tuple[ModelEntry, Path, int]] = []
    for name in names or [entry.name for entry in catalogue.entries("chat") if is_local(entry)]:
        if name.endswith(".gguf"):
            entry, path = ModelEntry(Path(name).stem, "chat", "llamacpp", context_tokens=4096), Path(name)
            chosen.append((entry, path, path.stat().st_size))
        elif lacking := needs(catalogue.find(name, "chat"), store):
            print(f"{name}: {lacking[0]}")
        else:
            entry = catalogue[name]
            chosen.append((entry, next(iter(store.locate(entry).values())), entry.size))
    return chosen


async def _speed(entry: ModelEntry, path: Path, size: int) -> None:
    """Print the time to the first token on a warm prompt, the tokens a second, and the memory."""
    scheduler, before = Scheduler(1), peak_bytes()
    started = time.monotonic()
    model: ChatModel = load_engine(entry, LoadContext(scheduler, {path.name: path}))
    await model.warm_up([INSTRUCTIONS])
    loaded_s = time.monotonic() - started
    first_ms: list[float] = []
    rates: list[float] = []
    for run in range(RUNS):
        question = Message("user", QUESTIONS[run % len(QUESTIONS)])
        asked = time.monotonic()
        arrived = [at async for at in _tokens(model, [INSTRUCTIONS, question])]
        if len(arrived) > 2:
            first_ms.append((arrived[0] - asked) * 1000)
            rates.append((len(arrived) - 1) / (arrived[-1] - arrived[0]))
    if not rates:
        raise SystemExit(f"{entry.name} says nothing")
    rate = statistics.median(rates)
    estimate = f", estimated {tokens_per_s(entry, machine()):.0f}" if entry.weights else ""
    print(
        f"{entry.name}: first token {statistics.median(first_ms):.0f} ms (best {min(first_ms):.0f}), "
        f"{rate:.1f} tokens/s (best {max(rates):.1f}{estimate}), {rate * size / 1e9:.1f} GB/s of weights, "
        f"ready in {loaded_s:.1f} s, {(peak_bytes() - before) / 1e6:.0f} MB, load {os.getloadavg()[0]:.1f}"
    )
    await model.aclose()
    scheduler.close()


async def _tokens(model: ChatModel, messages: Sequence[Message]) -> AsyncGenerator[float, None]:
    """Yield when each piece of an answer came."""
    async with aclosing(model.stream(messages, (), ChatOptions(max_output_tokens=TOKENS))) as deltas:
        async for delta in deltas:
            if isinstance(delta, Text):
                yield time.monotonic()


# --- words ------------------------------------------------------------------------------------------------------------


async def _words(names: Sequence[str]) -> None:
    """Print what a judgement of the words of a pause takes, by the words that are new since the pause before."""
    for name in names:
        entry, before, scheduler = load_catalogue().find(name, "turn"), _own_bytes(), Scheduler(1)
        started = time.monotonic()
        files = ModelStore().locate(entry)
        model: WordsTurnModel = await asyncio.to_thread(load_engine, entry, LoadContext(scheduler, files))
        await model.warm_up()  # type: ignore[attr-defined]
        ready_s = time.monotonic() - started
        own, mapped = (_own_bytes() - before) / 1e6, entry.size / 1e6
        print(
            f"{name}: ready in {ready_s:.1f} s, {own:.0f} MB of its own, {mapped:.0f} MB of weights mapped from a file"
        )
        for count in NEW_WORDS:
            taken = [await _timed(model, _utterance(run, count), "") for run in range(RUNS)]
            wall_ms, cpu_ms = zip(*taken, strict=True)
            print(f"  {count} words of a new turn: {_middle(wall_ms)} ms, {_middle(cpu_ms)} ms of CPU time")
        text, step = _utterance(RUNS, 60), 5
        later = [await _timed(model, *_grown(text, have, step)) for have in range(10, 55, step)]
        wall_ms, cpu_ms = zip(*later, strict=True)
        print(f"  {step} more words of a turn: {_middle(wall_ms)} ms, {_middle(cpu_ms)} ms of CPU time")
        await model.aclose()
        scheduler.close()


def _own_bytes() -> int:
    """The memory of this process that is in no file: without mapped weights, which the system holds once."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Anonymous:"))


def _utterance(number: int, count: int) -> str:
    """An utterance whose beginning is in no other."""
    words = SPOKEN.split()
    rotated = [words[(number * 7 + place) % len(words)] for place in range(count)]
    return f"{' '.join([f'N{number}', *rotated[1:]])}."


def _grown(text: str, have: int, step: int) -> tuple[str, str]:
    words = text.split()
    return " ".join(words[: have + step]) + ".", " ".join(words[:have]) + "."


async def _timed(model: WordsTurnModel, text: str, before: str) -> tuple[float, float]:
    """The time and the CPU time (ms) of judging `text`, after `before` was judged in an earlier pause."""
    if before:
        await model.ending(before)
    wall, cpu = time.monotonic(), time.process_time()
    await model.ending(text)
    return (time.monotonic() - wall) * 1000, (time.process_time() - cpu) * 1000


def _middle(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.0f} (best {min(values):.0f})"


# --- overhead ---------------------------------------------------------------------------------------------------------


async def _overhead() -> None:
    """Print how much later the first token comes through this layer than through the bare package, on loopback."""
    async with _instant_server() as base_url:
        client = openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)
        entry = ModelEntry("peer", "chat", "openai_compatible", options={"model": "m", "base_url": base_url})
        scheduler = Scheduler(1)
        engine: ChatModel = load_engine(entry, LoadContext(scheduler, {}))
        ways: dict[str, Callable[[], Awaitable[float]]] = {
            "bare openai package": lambda: _bare(client),
            "engine": lambda: _through(engine),
            "engine with failover": lambda: _through(FallbackChatModel([engine], Breakers(time.monotonic))),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        cpu_ms: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(REQUESTS):
            for name, ask in ways.items():  # in turn, so that the load of the machine is the same for all
                cpu_before = time.process_time()
                taken_ms = await ask()
                if number >= REQUESTS // 10:
                    times[name].append(taken_ms)
                    cpu_ms[name].append((time.process_time() - cpu_before) * 1000)
        bare, bare_cpu = (statistics.median(each["bare openai package"]) for each in (times, cpu_ms))
        for name, taken in times.items():
            median, cpu = statistics.median(taken), statistics.median(cpu_ms[name])
            print(
                f"{name}: first token after {median:.2f} ms ({median - bare:+.2f}); "
                f"CPU time of the whole answer {cpu:.2f} ms ({cpu - bare_cpu:+.2f})"
            )
        await client.close()
        await engine.aclose()
        scheduler.close()


async def _bare(client: openai.AsyncOpenAI) -> float:
    started = time.perf_counter()
    messages: Any = [{"role": message.role, "content": message.content} for message in _conversation()]
    stream = await client.chat.completions.create(model="m", messages=messages, stream=True)
    first = 0.0
    async for chunk in stream:
        if not first and chunk.choices and chunk.choices[0].delta.content:
            first = time.perf_counter()
    return (first - started) * 1000


async def _through(model: ChatModel) -> float:
    started = time.perf_counter()
    first = 0.0
    async with aclosing(model.stream(_conversation(), (), ChatOptions())) as deltas:
        async for delta in deltas:
            if not first and isinstance(delta, Text):
                first = time.perf_counter()
    return (first - started) * 1000


def _conversation() -> list[Message]:
    turns = [Message(role, "What is the capital of France, and why? " * 3) for role in ("user", "assistant")]
    return [INSTRUCTIONS, *turns * 8, turns[0]]


@asynccontextmanager
async def _instant_server() -> AsyncGenerator[str, None]:
    """A server that sends the first word of every answer at once, and the other chunks a little later."""
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [{**chunk, "choices": [{"index": 0, "delta": {"content": "Yes. "}, "finish_reason": None}]}] * 8
    chunks.append({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    usage = {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18}
    chunks.append({**chunk, "choices": [], "usage": usage})
    lines = [f"data: {json.dumps(each)}\n\n".encode() for each in chunks]
    first, rest = lines[0], b"".join(lines[1:]) + b"data: [DONE]\n\n"
    size = len(first) + len(rest)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {size}\r\n\r\n".encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = next((int(line.split(b":")[1]) for line in asked.splitlines() if b"content-length" in line), 0)
                await reader.readexactly(length)
                writer.write(head + first)
                await asyncio.sleep(PAUSE_S)
                writer.write(rest)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


# --- cost -------------------------------------------------------------------------------------------------------------


def _cost() -> None:
    """Print what each model takes for each task, without discounts for what it has read before."""
    print("| model | " + " | ".join(TASKS) + " |")
    print("| --- |" + " --- |" * len(TASKS))
    for entry in load_catalogue().entries("chat"):
        rates = {price.per: price.amount for price in entry.price if price.currency == "USD"}
        if rates:
            costs = (_price(rates, Usage(read, written)) for read, written in TASKS.values())
            print(f"| `{entry.name}` | " + " | ".join(f"${cost:.5f}" for cost in costs) + " |")


def _price(rates: dict[str, float], usage: Usage) -> float:
    read = rates.get("million input tokens", 0) * usage.input_tokens
    return (read + rates.get("million output tokens", 0) * usage.output_tokens) / 1e6


if __name__ == "__main__":
    main()
