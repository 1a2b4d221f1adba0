"""llama.cpp inside this process (xllamacpp): the embedded language model, for any GGUF file."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.abilities import abilities_of
from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Delta, Message, Tool, Truncated
from streamsrv.engines.llm.chat_completions.chunks import Chunk, ChunkReader
from streamsrv.engines.llm.context.answerable import answerable
from streamsrv.engines.llm.context.tokens import estimated_tokens
from streamsrv.engines.llm.context.turns import last_turns
from streamsrv.engines.llm.failover.continuation import begun_answer
from streamsrv.engines.llm.llama.refusals import check_request, engine_error, thinks
from streamsrv.engines.llm.llama.server import LlamaCppServer
from streamsrv.engines.llm.llama.slots import SlotAssignment, SlotTable
from streamsrv.engines.llm.llama.small_model import SpokenAnswer, guided
from streamsrv.engines.llm.llama.tool_calls import ForcedCall, forced_call, wire_message, wire_tools
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.engines.readiness.machine import chat_threads, machine
from streamsrv.errors import (
    EngineError,
    Overloaded,
    Rejected,
    Unavailable,
)
from streamsrv.ids import new_id
from streamsrv.inference.occupancy import Occupancy

logger = logging.getLogger(__name__)

_CONTEXT_TOKENS = 2048
_SEEDS = 2**32 - 1
"""llama.cpp takes seeds below this value, which it reads as 'random'."""
_SHARED = -1
"""Number of the state that holds the common beginning of all prompts."""


@dataclass(frozen=True, slots=True)
class LlamaCppOptions:
    """Options of a catalogue entry with this engine."""

    context_tokens: Annotated[int, Field(ge=256)] | None = None
    """What each answer may use: prompt and answer together. None: `context_tokens` of the entry, or 2048."""
    slots: Annotated[int, Field(ge=1)] = 2
    """Answers generated at the same time. Each takes memory for `context_tokens`."""
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    """Threads of the processor. 0: all cores but one, which hears and speaks meanwhile; see `chat_threads`."""
    saved_conversations: Annotated[int, Field(ge=0)] = 32
    """Conversations whose state is kept in temporary files after they lost their slot. Others are read again."""
    queue_limit: Annotated[int, Field(ge=0)] = 8
    """Requests that may wait for a slot; one more raises `Overloaded`."""
    max_output_tokens: Annotated[int, Field(ge=1)] = 1024
    """Upper limit; a request may ask for less."""
    history_turns: Annotated[int, Field(ge=0)] = 10
    """Turns before the latest that the model is shown, at least; see `last_turns`."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    repeat_penalty: Annotated[float, Field(gt=0)] = 1.0
    """1 turns the penalty off. A higher one costs facts: the model avoids the words of the question."""
    guided: bool = False
    """Show the model how to answer and cut its loops (`small_model`), which only the smallest models need."""


OPTIONS = LlamaCppOptions


def load(entry: ModelEntry, context: LoadContext) -> "LlamaCppChatModel":
    """Load the entry's only weight file, a GGUF; its options are those of `LlamaCppOptions`."""
    options = read_options(LlamaCppOptions, entry)
    size = options.context_tokens or entry.context_tokens or _CONTEXT_TOKENS
    abilities = replace(abilities_of(entry), context_tokens=size, max_output_tokens=options.max_output_tokens)
    return LlamaCppChatModel(entry.name, next(iter(context.files.values())), options, abilities)


class LlamaCppChatModel:
    """`llm.base.ChatModel` over one llama.cpp server object.

    An answer blocks a thread until it is complete, so the model has threads of its own, one per slot: on the scheduler
    it would delay recognition. A model that calls no tools, by its entry, is not shown any.
    """

    def __init__(self, name: str, path: Path, options: LlamaCppOptions, abilities: ChatAbilities) -> None:
        self.name = name
        frame = estimated_tokens(guided(())) if options.guided else 0
        self.abilities = replace(abilities, context_tokens=abilities.context_tokens - frame)
        self._options = options
        threads = options.threads or chat_threads(machine().cores)
        self._server = LlamaCppServer(
            name, path, slots=options.slots, context_tokens=abilities.context_tokens, threads=threads
        )
        if abilities.calls_tools and not self._server.has_tools:
            self._server.close()
            raise Unavailable(
                f"{name} cannot call tools: the chat template in {path.name} has no place for them. Remove calls_tools "
                "from the abilities of its entry."
            )
        self._threads = ThreadPoolExecutor(options.slots, thread_name_prefix="llamacpp")
        self._places = threading.Semaphore(options.slots + options.queue_limit)
        self._slots = SlotTable(options.slots, options.saved_conversations)
        self._lock = threading.Lock()
        self._state_lock = threading.Lock()
        self._generations: set[_Generation] = set()
        self.occupancy = Occupancy()
        self._preparing = Occupancy()  # separate: starting a session does not count as load
        self._closed = False

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        """Answer the conversation; see `ChatModel.stream`."""
        check_request(self.name, self.abilities, messages, tools, options)
        limit = min(options.max_output_tokens or self._options.max_output_tokens, self._options.max_output_tokens)
        answer = SpokenAnswer() if self._options.guided else None
        reader = ChunkReader(new_id, model=self.name)
        forced = forced_call(tools, options.tool_choice) if self.abilities.calls_tools else None
        fields = self._sampling(options) | self._tools(tools, options)
        begun = begun_answer(messages)  # llama.cpp goes on with a last message of the assistant
        read = self._readable(messages if begun is None else begun)
        kept = read if options.truncation.is_disabled else self._latest(read, limit)
        left_out = len(read) - len(kept)
        shown = answerable(kept) if begun is None else kept
        generating = self._generate(shown, limit, self.occupancy, fields, forced)
        async with contextlib.aclosing(generating) as chunks:
            async for chunk in chunks:
                if left_out:
                    yield Truncated(left_out)
                    left_out = 0
                deltas = reader.read(forced.read(chunk) if forced else chunk)
                for delta in answer.take(deltas) if answer else deltas:
                    yield delta
                if answer and answer.ended:
                    break
        deltas = reader.finish()
        for delta in answer.close(deltas) if answer else deltas:
            yield delta

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        """Make every slot read the common beginning of all prompts. No answer may be running."""
        await self._read_prompt(messages)
        await asyncio.to_thread(self._share, *self._slots.share_latest())

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Read a prompt into the cache of a slot, unless an answer is being computed."""
        if not (self.occupancy.now or self._preparing.now):
            await self._read_prompt(messages)

    async def aclose(self) -> None:
        """Cancel what is running or waiting, and free the model."""
        self._closed = True
        for generation in self._generations:
            generation.abort(Unavailable(f"{self.name} is shutting down."))
        await asyncio.to_thread(self._threads.shutdown)
        self._server.close()

    async def _read_prompt(self, messages: Sequence[Message]) -> None:
        shown = answerable(self._latest(self._readable(messages), 1))
        async with contextlib.aclosing(self._generate(shown, 1, self._preparing)) as chunks:
            async for _ in chunks:
                pass

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text; see `CountsTokens`."""
        try:
            return await asyncio.to_thread(self._server.tokenize, texts)
        except OSError as error:
            raise Unavailable(f"{self.name}: {error}") from error

    def _readable(self, messages: Sequence[Message]) -> list[Message]:
        """The messages that the model can make use of."""
        if self.abilities.calls_tools:
            return [message for message in messages if message.content or message.tool_calls or message.role == "tool"]
        return [message for message in messages if message.content and message.role != "tool"]

    def _latest(self, messages: Sequence[Message], limit: int) -> list[Message]:
        """The latest turns, as many as fit beside an answer of `limit` tokens."""
        return last_turns(messages, self._options.history_turns, self.abilities.context_tokens - limit)

    def _tools(self, tools: Sequence[Tool], options: ChatOptions) -> dict[str, Any]:
        fields: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": thinks(options)}}
        if not self.abilities.calls_tools or not tools or options.tool_choice == "none":
            return fields
        return fields | {"tools": wire_tools(tools), "parallel_tool_calls": options.parallel_tool_calls}

    def _sampling(self, options: ChatOptions) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "temperature": self._options.temperature if options.temperature is None else options.temperature,
            "repeat_penalty": self._options.repeat_penalty,
            "top_p": options.top_p,
            "stop": list(options.stop) or None,
            "seed": None if options.seed is None else options.seed % _SEEDS,
            "frequency_penalty": options.frequency_penalty,
            "presence_penalty": options.presence_penalty,
            "logit_bias": dict(options.logit_bias) or None,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _request(self, shown: Sequence[Message], limit: int, fields: dict[str, Any]) -> dict[str, Any]:
        messages = guided(shown) if self._options.guided else shown
        return {
            "messages": [wire_message(message, with_calls=self.abilities.calls_tools) for message in messages],
            "max_tokens": limit,
            "chat_template_kwargs": {"enable_thinking": False},  # thinking would be heard as silence
            **fields,
            "cache_prompt": True,
            "timings_per_token": True,  # the usage, also of an answer that is cancelled
            "stream": True,
        }

    async def _generate(
        self,
        shown: Sequence[Message],
        limit: int,
        occupancy: Occupancy,
        fields: dict[str, Any] | None = None,
        forced: ForcedCall | None = None,
    ) -> AsyncGenerator[Chunk, None]:
        """The chunks of one answer; closing the iterator frees the slot after the token being computed.

        `fields` of the request are added to those of every request.
        """
        if self._closed:
            raise Unavailable(f"{self.name} is shutting down.")
        if not self._places.acquire(blocking=False):
            raise Overloaded(f"{self.name} already has {self._options.queue_limit} requests waiting.")
        generation = _Generation(self._request(shown, limit, fields or {}), shown, forced)
        job = self._threads.submit(self._run, generation)
        self._generations.add(generation)
        try:
            with occupancy.working():
                while (chunk := await generation.next()) is not None:
                    yield chunk
        finally:
            self._generations.discard(generation)
            self._release_slot(generation)
            if job.cancel():  # a job that never started does not release its place itself
                self._places.release()

    def _run(self, generation: "_Generation") -> None:
        """Compute one answer on a worker thread. A slot is free, because there are as many slots as threads."""
        try:
            with self._state_lock:
                with self._lock:
                    if generation.cancelled:
                        return
                    assigned = self._slots.take(generation.shown)
                    generation.slot = assigned.slot
                self._move(assigned)
            generation.run(self._server, assigned.slot)
            self._release_slot(generation)
        finally:
            self._places.release()

    def _move(self, assigned: SlotAssignment) -> None:
        """Save the state of the evicted conversation and restore that of the assigned one."""
        with self._tolerating_lost_state():
            if assigned.save is not None:
                self._server.save(assigned.slot, assigned.save)
        with self._tolerating_lost_state():
            if assigned.restore is not None:
                self._server.restore(assigned.slot, assigned.restore)
        for number in (assigned.restore, assigned.delete):
            if number is not None:
                self._server.delete(number)

    def _share(self, slot: int, *others: int) -> None:
        with self._tolerating_lost_state():
            self._server.save(slot, _SHARED)
            for other in others:
                self._server.restore(other, _SHARED)
        self._server.delete(_SHARED)

    @contextlib.contextmanager
    def _tolerating_lost_state(self) -> Generator[None]:
        """Log a state that cannot be saved or restored: its conversation is read again, which is slow but no error."""
        try:
            yield
        except OSError as error:
            logger.warning("%s will take longer to answer: %s", self.name, error)

    def _release_slot(self, generation: "_Generation") -> None:
        """Cancel what still runs and free the slot at once, so that the next prompt of the same conversation gets it.

        llama.cpp makes that prompt wait for the token being computed.
        """
        with self._lock:
            generation.cancel()
            if generation.slot is not None:
                self._slots.release(generation.slot)
                generation.slot = None


class _Generation:
    """One answer: runs on a worker thread, is read on the event loop that made it."""

    def __init__(self, request: dict[str, Any], shown: Sequence[Message], forced: ForcedCall | None = None) -> None:
        self.shown = shown
        self.cancelled = False
        self.slot: int | None = None
        """The slot that computes it, until it is released."""
        self._request = request
        self._forced = forced
        self._loop = asyncio.get_running_loop()
        # A chunk for each token, two where a call begins, and a few around them: never full, as the token limit ends
        # the answer first.
        self._chunks: asyncio.Queue[Chunk | EngineError | None] = asyncio.Queue(2 * request["max_tokens"] + 16)

    async def next(self) -> Chunk | None:
        """The next chunk, None at the end. Raises `EngineError`."""
        chunk = await self._chunks.get()
        if isinstance(chunk, EngineError):
            raise chunk
        if chunk and (error := chunk.get("error")):
            raise engine_error(error)
        return chunk

    def cancel(self) -> None:
        """Have the worker thread stop after the token being computed."""
        self.cancelled = True

    def abort(self, error: EngineError) -> None:
        """Cancel, and raise `error` where the chunks are read."""
        self.cancel()
        self._chunks.put_nowait(error)

    def run(self, server: LlamaCppServer, slot: int) -> None:
        """Compute the answer on `slot`; blocks."""
        try:
            if self._forced is None:
                server.complete(self._request, slot, self._take)
            else:
                server.complete_json(self._request, self._forced.schema, slot, self._take)
        except Exception as error:
            self._hand_over(Rejected(f"llama.cpp refused the request: {error}"))
        self._hand_over(None)

    def _take(self, chunk: Chunk) -> bool:
        """Called by llama.cpp for each chunk; true cancels."""
        self._hand_over(chunk)
        return self.cancelled

    def _hand_over(self, chunk: Chunk | EngineError | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)
        except RuntimeError:  # the loop has closed: nobody reads any more
            self.cancel()
