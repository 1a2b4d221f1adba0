"""A chat model in llama.cpp (xllamacpp) that judges words: how likely the next token after them ends the turn."""

import asyncio
import contextlib
import math
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.base import Message
from streamsrv.engines.llm.llama.server import LlamaCppServer
from streamsrv.engines.llm.llama.small_model import guided
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.engines.turn.base import WordsEnding
from streamsrv.errors import Overloaded, Unavailable

MAX_WORDS = 60
WINDOW_STEP = 10
"""In a longer turn the window moves by so many words at a time, so that its beginning stays cached between pauses."""
_NO_MARK = re.compile(r"[^\w\s']|_")
_PROMPT_STATE = 0
"""Number of the saved state that has read the prompt."""
_PLACE = "@@@@"
"""Stands for the user's words in the prompt that the chat template writes."""


@dataclass(frozen=True, slots=True)
class NextTokenOptions:
    """Options of a catalogue entry with this engine."""

    end_tokens: Annotated[list[str], Field(min_length=1)]
    """The tokens of the model that end a turn, as its chat template writes them."""
    context_tokens: Annotated[int, Field(ge=512)] = 768
    """For the prompt and the words of one query; longer words are cut at the front."""
    slots: Annotated[int, Field(ge=1)] = 2
    """Texts whose state is kept, so that only the words after the latest pause are read. A turn has two: with marks and
    without. Each takes memory for `context_tokens`."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    queue_limit: Annotated[int, Field(ge=0)] = 8
    """Pauses that may wait; one more raises `Overloaded`."""


OPTIONS = NextTokenOptions


def load(entry: ModelEntry, context: LoadContext) -> "NextTokenModel":
    """Load the entry's only weight file, a GGUF of a chat model; its options are those of `NextTokenOptions`."""
    options = read_options(NextTokenOptions, entry)
    if not entry.languages:
        raise Unavailable(f"{entry.name}: languages is empty; accepted: the languages whose words it judges")
    return NextTokenModel(entry.name, next(iter(context.files.values())), options, frozenset(entry.languages))


class NextTokenModel:
    """A `turn.base.WordsTurnModel` over one llama.cpp server object, on a thread of its own.

    It does not share the server of a chat model: all slots of that may be answering, and its prompts have the
    instructions of sessions in front. The weights are mapped from one file, which the system holds once.
    """

    def __init__(self, name: str, path: Path, options: NextTokenOptions, languages: frozenset[str]) -> None:
        self.name = name
        self.languages = languages
        self._server = LlamaCppServer(
            name,
            path,
            slots=options.slots,
            context_tokens=options.context_tokens,
            threads=options.threads,
            min_reused_tokens=0,  # a state that was read after other words would change the judgement
        )
        try:
            self._prompt = self._server.prompt([*guided(()), Message("user", _PLACE)]).partition(_PLACE)[0]
            self._ends = frozenset(self._end_token(text) for text in options.end_tokens)
            [prompt_tokens] = self._server.tokenize([self._prompt])
        except OSError as error:
            self._server.close()
            raise Unavailable(f"{name}: {error}") from error
        except Unavailable:
            self._server.close()
            raise
        self._max_bytes = options.context_tokens - prompt_tokens - 8  # no token has less than a byte
        self._slots = options.slots
        self._kept = KeptTexts(options.slots)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="next-token")
        self._places = threading.Semaphore(1 + options.queue_limit)
        self._queue_limit = options.queue_limit
        self._closed = False

    async def warm_up(self) -> None:
        """Read the prompt into all slots. No text may be judged meanwhile."""
        await asyncio.wrap_future(self._thread.submit(self._read_prompt))

    async def ending(self, text: str) -> WordsEnding:
        """Judge the words; see `WordsTurnModel.ending`. Work that nobody awaits any more is not begun."""
        if self._closed:
            raise Unavailable(f"{self.name} is shutting down.")
        if not self._places.acquire(blocking=False):
            raise Overloaded(f"{self.name} already has {self._queue_limit} pauses waiting.")
        given_up = threading.Event()
        job = self._thread.submit(self._judge, text, given_up)
        job.add_done_callback(lambda _: self._places.release())
        try:
            ending = await asyncio.wrap_future(job)
        finally:
            given_up.set()
        if ending is None:
            raise Unavailable(f"{self.name} is shutting down.")
        return ending

    async def aclose(self) -> None:
        """Drop what waits, and free the model after the query that runs."""
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)
        self._server.close()

    def _read_prompt(self) -> None:
        """Read it once, and copy the state, which takes a hundredth of the time."""
        self._server.next_tokens(self._prompt, 0)
        with contextlib.suppress(OSError):  # a slot without the copy reads the prompt with its first text
            self._server.save(0, _PROMPT_STATE)
            for slot in range(1, self._slots):
                self._server.restore(slot, _PROMPT_STATE)
        self._server.delete(_PROMPT_STATE)

    def _judge(self, text: str, given_up: threading.Event) -> WordsEnding | None:
        forms = [last_words(form, self._max_bytes) for form in (text, plain(text))]
        found: dict[str, float] = {}
        for form in dict.fromkeys(forms):
            if given_up.is_set() or self._closed:
                return None
            found[form] = self._probability(form)
        return WordsEnding(*(found[form] for form in forms))

    def _probability(self, words: str) -> float:
        """The probability of an end of the turn after these words; 0 if it is not among the likeliest tokens."""
        likeliest = self._server.next_tokens(self._prompt + words, self._kept.slot(words))
        return min(1.0, sum(math.exp(logprob) for token, logprob in likeliest if token in self._ends))

    def _end_token(self, text: str) -> int:
        tokens = self._server.token_ids(text)
        if len(tokens) != 1:
            raise Unavailable(
                f"{self.name}: end_tokens: {text!r} is not one token of the model; accepted: its tokens at a turn's end"
            )
        return tokens[0]


class KeptTexts:
    """Knows the text that each slot of a server read last, and assigns the slot that saves most work."""

    def __init__(self, count: int) -> None:
        self._read: dict[int, str] = dict.fromkeys(range(count), "")  # the longest unused first

    def slot(self, text: str) -> int:
        """Return the slot whose text begins like this one; if there is none, the longest unused one."""
        slot = max(self._read, key=lambda slot: _common(self._read[slot], text))
        del self._read[slot]
        self._read[slot] = text
        return slot


def plain(text: str) -> str:
    """Return the text in lower case without marks, apostrophes excepted."""
    return " ".join(_NO_MARK.sub(" ", text.lower().replace("\u2019", "'")).split())


def last_words(text: str, max_bytes: int) -> str:
    """Return the end of the text: `MAX_WORDS` words at most, and as many as have no more than `max_bytes` of UTF-8."""
    words = text.split()
    begin = max(0, -(-(len(words) - MAX_WORDS) // WINDOW_STEP) * WINDOW_STEP)
    shown = " ".join(words[begin:]).encode()
    return shown[-max_bytes:].decode(errors="ignore")


def _common(one: str, other: str) -> int:
    """The length of the beginning that both texts have, in words that are whole."""
    length = 0
    for mine, others in zip(one.split(), other.split(), strict=False):
        if mine != others:
            break
        length += 1
    return length
