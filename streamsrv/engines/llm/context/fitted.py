"""Shows a model as much of a conversation as it can read."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol, runtime_checkable

from streamsrv.engines.llm.abilities import cannot_see, without_images
from streamsrv.engines.llm.base import ChatModel, ChatOptions, Delta, Message, Tool, Truncated, Usage
from streamsrv.engines.llm.context.tokens import TokenEstimate, framed, text_of, text_of_tools
from streamsrv.engines.llm.context.truncation import RETENTION_RATIO, Kept, instructions, truncate
from streamsrv.engines.llm.wrapper import ChatModelWrapper
from streamsrv.errors import CONTEXT_LENGTH_EXCEEDED, Rejected

ANSWER_TOKENS = 4096
"""Tokens that are left for an answer whose length nothing limits."""
_REFITS = 2
"""How often a conversation is cut further, because the provider counts more tokens than were estimated."""
_REFIT_RATIO = 0.75
_MAX_KNOWN_TEXTS = 4096
"""Texts whose tokens are remembered: those of some hundred conversations."""


@runtime_checkable
class CountsTokens(Protocol):
    """A model that counts the tokens of texts itself."""

    async def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text, without what the chat template adds."""
        ...


class FittedChatModel(ChatModelWrapper):
    """`model`, which is given only what it can read.

    The oldest turns of a longer conversation are left out, as `ChatOptions.truncation` says; `Truncated` tells how many
    messages. Tokens are counted by the model, if it can, or else estimated from what its provider has counted so far. A
    model that sees no pictures is told of those in earlier turns, and refuses one in the latest.
    """

    def __init__(self, model: ChatModel) -> None:
        super().__init__(model)
        self._estimate = TokenEstimate()
        self._known: OrderedDict[str, int] = OrderedDict()

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        """Answer the conversation; see `ChatModel.stream`. Raises `Rejected` if not even its latest turn fits."""
        if not self.abilities.sees_images:
            messages = self._without_images(messages)
        kept = await self._fit(messages, tools, options)
        for refits_left in range(_REFITS, -1, -1):
            has_begun = False
            try:
                async with aclosing(self._model.stream(kept.messages, tools, options)) as deltas:
                    async for delta in deltas:
                        if not has_begun:
                            has_begun = True
                            more = delta.messages if isinstance(delta, Truncated) else 0
                            if kept.left_out + more:
                                yield Truncated(kept.left_out + more)
                        if isinstance(delta, Truncated):
                            continue
                        if isinstance(delta, Usage):
                            self._estimate.learn(kept.messages, tools, delta.input_tokens)
                        yield delta
                return
            except Rejected as error:
                is_too_long = error.code == CONTEXT_LENGTH_EXCEEDED and not options.truncation.is_disabled
                if has_begun or not is_too_long or not refits_left:
                    raise
                kept = self._cut_further(messages, kept)
                if not kept.fits:
                    raise

    async def _fit(self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions) -> Kept:
        truncation = options.truncation
        whole = Kept(list(messages), 0, fits=True)
        room = self._room(options)
        asked = truncation.post_instructions
        if truncation.is_disabled or (room is None and asked is None):
            return whole
        texts = [text_of(message) for message in messages]
        definitions = text_of_tools(tools)
        most = sum(framed(message, len(text.encode())) for message, text in zip(messages, texts, strict=True))
        if most + len(definitions) <= min(size for size in (room, asked) if size is not None):
            return whole  # no token has less than a byte
        *counts, tool_tokens = await self._count([*texts, definitions])
        tokens = [framed(message, count) for message, count in zip(messages, counts, strict=True)]
        first = instructions(messages)
        if room is not None:
            room -= tool_tokens + sum(tokens[:first])
        limit = min(size for size in (room, asked) if size is not None)
        ratio = RETENTION_RATIO if truncation.retention_ratio is None else truncation.retention_ratio
        kept = truncate(messages, tokens, limit, ratio)
        if not kept.fits:
            raise self._too_long(limit, sum(tokens[first:]))
        return kept

    def _room(self, options: ChatOptions) -> int | None:
        """Return the tokens that a prompt may have beside its answer; None: not known."""
        context = self.abilities.context_tokens
        if not context:
            return None
        limits = (options.max_output_tokens, self.abilities.max_output_tokens, ANSWER_TOKENS)
        return context - min(*(limit for limit in limits if limit), context // 2)

    async def _count(self, texts: Sequence[str]) -> list[int]:
        """Return the tokens of each text; a model that counts is asked once for each text."""
        if not isinstance(self._model, CountsTokens):
            return [self._estimate.text(text) for text in texts]
        unknown = [text for text in dict.fromkeys(texts) if text not in self._known]
        counted = dict(zip(unknown, await self._model.count_tokens(unknown), strict=True)) if unknown else {}
        counts = [counted[text] if text in counted else self._known[text] for text in texts]
        self._known.update(counted)
        while len(self._known) > _MAX_KNOWN_TEXTS:
            self._known.popitem(last=False)
        return counts

    def _cut_further(self, messages: Sequence[Message], kept: Kept) -> Kept:
        """Leave out more, because the provider counted more than it can read."""
        first = instructions(messages)
        tokens = [self._estimate.message(message) for message in messages]
        shown = sum(tokens[first + kept.left_out :])
        limit = int(shown * _REFIT_RATIO)
        cut = truncate(messages, tokens, limit, ratio=1.0)
        return replace(cut, fits=cut.left_out > kept.left_out)

    def _without_images(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Raises `Rejected` if there is a picture in the latest turn."""
        if not any(message.images for message in messages):
            return messages
        latest = max(index for index, message in enumerate(messages) if message.role == "user")
        if messages[latest].images:
            raise cannot_see(self.name)
        return without_images(messages)

    def _too_long(self, limit: int, length: int) -> Rejected:
        if limit <= 0:
            message = f"The instructions and the tools alone are more than {self.name} can read beside its answer."
            return Rejected(message, code=CONTEXT_LENGTH_EXCEEDED, param="messages")
        message = (
            f"{self.name} can read {limit} tokens of the conversation here, beside the instructions, the tools "
            f"and its answer; the latest turn alone has more: the conversation has {length}."
        )
        return Rejected(message, code=CONTEXT_LENGTH_EXCEEDED, param="messages")
