"""Tells an observer what the models do: requests, failures, substitutes, tokens, seconds of audio."""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import Literal, Protocol, runtime_checkable

from streamsrv.engines.catalogue import Kind
from streamsrv.engines.llm.base import ChatModel, ChatOptions, Delta, Finished, Message, Tool
from streamsrv.engines.llm.wrapper import ChatModelWrapper
from streamsrv.engines.metering.accounts import spender
from streamsrv.engines.metering.base import UNPAID, Consumption
from streamsrv.engines.metering.chat_request import MeteredChat
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Synthesizer, Voice
from streamsrv.errors import Overloaded, Rejected, Unavailable

Stage = Kind
FailureReason = Literal["unavailable", "unauthorized", "rejected", "overloaded"]
"""What a failure means to the caller, see `streamsrv.errors`; `unauthorized`: a provider refuses its key."""
LOUDNESS = "loudness"
"""Name of what replaces a voice-activity detector."""
WORDS = "words"
"""Name of what replaces an end-of-turn model that hears."""
SOUND = "sound"
"""Name of what replaces one that judges words."""


class EngineObserver(Protocol):
    """Gets reports on models by their names. No method waits or raises."""

    def called(self, stage: Stage, model: str) -> None:
        """A model was given a request."""
        ...

    def failed(self, stage: Stage, model: str, reason: FailureReason) -> None:
        """A model did not answer a request."""
        ...

    def fell_back(self, stage: Stage, model: str, to: str) -> None:
        """`to` took the place of a model that failed."""
        ...

    def tokens(self, model: str, input_tokens: int, output_tokens: int, cached_tokens: int) -> None:
        """A language model read and wrote so many tokens; `cached_tokens` are part of `input_tokens`."""
        ...

    def recognized(self, model: str, seconds: float) -> None:
        """A recogniser was given so much audio."""
        ...

    def connected(self, model: str, seconds: float) -> None:
        """A connection to a provider's recogniser has ended, which charges for its time."""
        ...

    def synthesized(self, model: str, seconds: float) -> None:
        """A synthesiser made so much audio."""
        ...


class NoObserver:
    """Ignores all reports."""

    def called(self, stage: Stage, model: str) -> None: ...

    def failed(self, stage: Stage, model: str, reason: FailureReason) -> None: ...

    def fell_back(self, stage: Stage, model: str, to: str) -> None: ...

    def tokens(self, model: str, input_tokens: int, output_tokens: int, cached_tokens: int) -> None: ...

    def recognized(self, model: str, seconds: float) -> None: ...

    def connected(self, model: str, seconds: float) -> None: ...

    def synthesized(self, model: str, seconds: float) -> None: ...


IGNORED = NoObserver()


@runtime_checkable
class Observable(Protocol):
    """A model made of several, which reports on them."""

    @property
    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the models that it is made of, with the names of what takes their place if they fail."""
        ...

    def observe(self, observer: EngineObserver) -> None:
        """Report to `observer` from now on."""
        ...


def failure_reason(error: Exception) -> FailureReason:
    """Return what an error of a model means to its caller."""
    match error:
        case Rejected():
            return "rejected"
        case Overloaded():
            return "overloaded"
        case Unavailable(refuses_key=True):
            return "unauthorized"
        case _:
            return "unavailable"


@contextmanager
def reported(observer: EngineObserver, stage: Stage, model: str) -> Generator[None]:
    """Report a request to a model in this block, and its failure if the block raises an exception."""
    observer.called(stage, model)
    try:
        yield
    except Exception as error:
        observer.failed(stage, model, failure_reason(error))
        raise


class ObservedChatModel(ChatModelWrapper):
    """`model`, whose requests, failures and tokens are reported, and paid for by `ChatOptions.account`."""

    def __init__(self, model: ChatModel, observer: EngineObserver) -> None:
        super().__init__(model)
        self._observer = observer

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        metered, account = MeteredChat(self.name, messages, tools), options.account or UNPAID
        account.begin(metered)
        try:
            with reported(self._observer, "chat", self.name):
                async with aclosing(self._model.stream(messages, tools, options)) as deltas:
                    async for delta in deltas:
                        metered.take(delta)
                        if isinstance(delta, Finished):  # what is told of a response's end includes its cost
                            account.end(metered)
                        yield delta
        except Exception:
            metered.fail()
            raise
        finally:
            account.end(metered)
            if (usage := metered.usage) is not None:
                self._observer.tokens(self.name, usage.input_tokens, usage.output_tokens, usage.cached_tokens)
        if not metered.is_finished:
            self._observer.failed("chat", self.name, "unavailable")


class ObservedSynthesizer:
    """`synthesizer`, whose segments, failures and seconds of audio are reported.

    `SpeechOptions.account` pays for the characters and the audio of a segment, unless it fails before there is audio.
    Raises `QuotaSpent` if the account may pay no more, and the segment would cost something.
    """

    def __init__(self, synthesizer: Synthesizer, observer: EngineObserver) -> None:
        self.name = synthesizer.name
        self.sample_rate = synthesizer.sample_rate
        self.clones_voices = synthesizer.clones_voices
        self.min_speed = synthesizer.min_speed
        self.max_speed = synthesizer.max_speed
        self.warm_up = synthesizer.warm_up
        self.aclose = synthesizer.aclose
        self._synthesizer = synthesizer
        self._observer = observer

    @property
    def voices(self) -> tuple[Voice, ...]:
        return self._synthesizer.voices

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        if (paying := spender(options.account)) is not None:
            paying.check_paid(_consumption(self.name, 1, 1))
        samples, has_failed = 0, False
        try:
            with reported(self._observer, "synthesizer", self.name):
                async with aclosing(self._synthesizer.stream(text, options)) as chunks:
                    async for chunk in chunks:
                        samples += len(chunk.pcm)
                        yield chunk
        except Exception:
            has_failed = True
            raise
        finally:
            if options.account is not None and not (has_failed and not samples):
                options.account.charge(_consumption(self.name, len(text), samples / self.sample_rate))
            self._observer.synthesized(self.name, samples / self.sample_rate)


def _consumption(synthesizer: str, characters: int, seconds: float) -> Consumption:
    return Consumption("synthesizer", synthesizer, (("characters", characters), ("seconds", seconds)))
