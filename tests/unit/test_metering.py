"""What requests consume, which account is told, and what that costs."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.llm.base import (
    ChatAbilities,
    ChatOptions,
    Delta,
    Finished,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    Truncated,
    Usage,
)
from streamsrv.engines.metering.base import Consumption, Request, Unit
from streamsrv.engines.metering.chat_request import TOKENS_OF_IMAGE, MeteredChat, estimated_tokens
from streamsrv.engines.metering.prices import PriceBook, tariff_of
from streamsrv.engines.model_entry import ModelEntry, Price
from streamsrv.engines.observer import IGNORED, ObservedChatModel, ObservedSynthesizer
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions
from streamsrv.errors import Unavailable
from streamsrv.testing.fakes import ToneSynthesizer

ASKED = [Message("system", "Be kind."), Message("user", "x" * 400)]
CATALOGUE = load_catalogue()


class Recorder:
    """An account that keeps what it is charged."""

    def __init__(self) -> None:
        self.charged: list[Consumption] = []
        self.running: list[Request] = []

    def charge(self, consumption: Consumption) -> None:
        self.charged.append(consumption)

    def begin(self, request: Request) -> None:
        self.running.append(request)

    def end(self, request: Request) -> None:
        if request in self.running:
            self.running.remove(request)
            if (consumption := request.consumption) is not None:
                self.charged.append(consumption)


class ScriptedChatModel:
    """Yields its deltas, then raises its error, if it has one."""

    name = "scripted"
    abilities = ChatAbilities()
    occupancy = None

    def __init__(self, *deltas: Delta, error: Exception | None = None) -> None:
        self._deltas = deltas
        self._error = error

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        for delta in self._deltas:
            yield delta
        if self._error is not None:
            raise self._error

    async def warm_up(self, messages: Sequence[Message] = ()) -> None: ...

    async def prepare(self, messages: Sequence[Message]) -> None: ...

    async def aclose(self) -> None: ...


async def charged(model: ScriptedChatModel, take: int = 1000) -> list[Consumption]:
    """Ask for an answer and take so many deltas of it; return what was charged."""
    account = Recorder()
    observed = ObservedChatModel(model, IGNORED)
    try:
        async with aclosing(observed.stream(ASKED, (), ChatOptions(account=account))) as deltas:
            async for _ in deltas:
                take -= 1
                if not take:
                    break
    except Unavailable:
        pass
    assert account.running == []
    return account.charged


def amounts(consumption: Consumption) -> dict[Unit, float]:
    return dict(consumption.amounts)


async def test_an_answer_is_charged_once_as_the_model_counts_it():
    usage = Usage(100, 7, cached_tokens=40, cache_write_tokens=10, reasoning_tokens=5)
    (paid,) = await charged(ScriptedChatModel(Text("Hello."), usage, Finished("stop")))
    assert (paid.stage, paid.model, paid.is_estimated) == ("chat", "scripted", False)
    assert amounts(paid) == {"input_tokens": 50, "cached_tokens": 40, "cache_write_tokens": 10, "output_tokens": 7}


async def test_it_is_charged_before_its_end_is_told():
    account = Recorder()
    model = ObservedChatModel(ScriptedChatModel(Usage(1, 1), Finished("stop")), IGNORED)
    async with aclosing(model.stream(ASKED, (), ChatOptions(account=account))) as deltas:
        async for delta in deltas:
            assert bool(account.charged) == isinstance(delta, Finished)


async def test_of_a_usage_that_grows_the_last_one_counts():
    model = ScriptedChatModel(Usage(10, 1), Text("Hi"), Usage(10, 3), Finished("stop"))
    (paid,) = await charged(model)
    assert amounts(paid) == {"input_tokens": 10, "output_tokens": 3}


async def test_an_answer_that_is_cancelled_is_estimated_from_what_was_sent_and_came():
    (paid,) = await charged(ScriptedChatModel(Text("y" * 40), Text("z"), Finished("stop")), take=1)
    assert paid.is_estimated
    assert amounts(paid) == {"input_tokens": 2 + 100 + 8, "output_tokens": 10}


async def test_a_cancelled_answer_costs_at_least_what_the_model_has_counted():
    (paid,) = await charged(ScriptedChatModel(Usage(500, 1), Reasoning("y" * 400), Text("z")), take=2)
    assert paid.is_estimated
    assert amounts(paid) == {"input_tokens": 500, "output_tokens": 100}


async def test_a_request_that_fails_before_the_model_answers_costs_nothing():
    assert await charged(ScriptedChatModel(error=Unavailable("down"))) == []
    assert await charged(ScriptedChatModel(Truncated(1), error=Unavailable("down"))) == []


async def test_an_answer_that_breaks_off_is_charged():
    (paid,) = await charged(ScriptedChatModel(Text("one two"), error=Unavailable("lost")))
    assert paid.is_estimated
    assert amounts(paid)["output_tokens"] == 2


async def test_a_request_in_progress_says_what_it_has_consumed():
    metered = MeteredChat("m", [Message("user", "abcd", images=(Image("data:,"),))], [Tool("look")])
    before = metered.consumption
    metered.take(Text("12345678"))
    after = metered.consumption
    assert before is not None
    assert after is not None
    assert amounts(before)["input_tokens"] > TOKENS_OF_IMAGE
    assert amounts(after) == {**amounts(before), "output_tokens": 2}


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("four", 1), ("fünf", 2), ("你好", 2)])
def test_tokens_are_estimated(text: str, tokens: int):
    assert estimated_tokens(text) == tokens


class BrokenSynthesizer(ToneSynthesizer):
    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        raise Unavailable("down")
        yield


async def test_the_characters_and_the_audio_of_a_segment_are_charged_once_it_is_spoken():
    account = Recorder()
    options = SpeechOptions(account=account)
    async for _ in ObservedSynthesizer(ToneSynthesizer(), IGNORED).stream("Hello there.", options):
        pass
    assert [(paid.stage, amounts(paid)) for paid in account.charged] == [
        ("synthesizer", {"characters": 12, "seconds": 0.72})
    ]
    with pytest.raises(Unavailable):
        async for _ in ObservedSynthesizer(BrokenSynthesizer(), IGNORED).stream("Hello there.", options):
            pass
    assert len(account.charged) == 1


def test_who_pays_does_not_tell_two_requests_apart():
    """A response takes over the speculative answer to the same question."""
    assert SpeechOptions(account=Recorder()) == SpeechOptions()


def tokens(model: str, **counted: float) -> Consumption:
    return Consumption("chat", model, tuple((unit, amount) for unit, amount in counted.items()))  # type: ignore[misc]


def book(*entries: ModelEntry, overridden: Sequence[str] = ()) -> PriceBook:
    by_name = {entry.name: entry for entry in entries}
    return PriceBook(lambda _, name: [by_name[name]] if name in by_name else [], overridden)


GPT = replace(CATALOGUE["gpt-4o-mini"], price=())
USED = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}


def test_the_library_knows_the_price_of_a_provider():
    pytest.importorskip("genai_prices", reason="the extra `ledger` is not installed")
    known = book(GPT)
    assert known.cost(tokens("gpt-4o-mini", **USED)).usd == Decimal("0.75")
    assert known.cost(tokens("gpt-4o-mini", cached_tokens=1_000_000)).usd == Decimal("0.075")
    assert known.cost(tokens("gpt-4o-mini")).usd == 0


def test_the_library_knows_the_price_of_an_hour_of_speech():
    pytest.importorskip("genai_prices", reason="the extra `ledger` is not installed")
    known = book(CATALOGUE["openai-transcribe"], replace(CATALOGUE["openai-transcribe"], name="by-tokens", options={
        "model": "gpt-4o-transcribe"}))  # fmt: skip
    assert known.cost(Consumption("recognizer", "openai-transcribe", (("seconds", 3600),))).usd == Decimal("0.27")
    assert not known.cost(Consumption("recognizer", "by-tokens", (("seconds", 3600),))).is_known


def stated(*prices: tuple[float, str]) -> tuple[Price, ...]:
    return tuple(Price(amount, "USD", per, date(2026, 11, 1)) for amount, per in prices)  # type: ignore[arg-type]


IN_AND_OUT = ((1.0, "million input tokens"), (2.0, "million output tokens"))


def test_the_price_of_the_operator_comes_before_the_library_and_that_of_the_catalogue_where_it_is_complete():
    pytest.importorskip("genai_prices", reason="the extra `ledger` is not installed")
    partial = replace(GPT, price=stated(*IN_AND_OUT))
    assert book(partial).cost(tokens("gpt-4o-mini", **USED)).usd == Decimal("0.75")
    assert book(partial, overridden=["gpt-4o-mini"]).cost(tokens("gpt-4o-mini", **USED)).usd == 3
    complete = replace(GPT, price=stated(*IN_AND_OUT, (0.5, "million cached tokens")))
    assert book(complete).cost(tokens("gpt-4o-mini", **USED, cached_tokens=2_000_000)).usd == 4


def test_without_a_price_for_them_cached_tokens_cost_as_other_input():
    at_home = replace(GPT, options={"base_url": "https://models.example/v1", "model": "x"}, price=stated(*IN_AND_OUT))
    assert book(at_home).cost(tokens("gpt-4o-mini", cached_tokens=1_000_000, cache_write_tokens=1_000_000)).usd == 2


def test_a_remote_model_without_a_price_says_so():
    unknown = replace(GPT, options={"base_url": "https://models.example/v1", "model": "x"})
    cost = book(unknown).cost(tokens("gpt-4o-mini", **USED))
    assert (cost.usd, cost.is_known) == (0, False)
    euros = replace(unknown, price=(Price(1.0, "EUR", "million input tokens", date(2026, 11, 1)),))
    assert not book(euros, overridden=["gpt-4o-mini"]).cost(tokens("gpt-4o-mini", **USED)).is_known


def test_what_runs_on_this_machine_costs_nothing_unless_a_price_is_stated():
    local = CATALOGUE["smollm2-135m"]
    cost = book(local).cost(tokens("smollm2-135m", **USED))
    assert (cost.usd, cost.is_known) == (0, True)
    ollama = replace(GPT, options={"base_url": "http://127.0.0.1:11434/v1", "model": "gpt-4o-mini"})
    assert book(ollama).cost(tokens("gpt-4o-mini", **USED)) == cost
    power = replace(local, price=stated((0.5, "million output tokens")))
    assert book(power).cost(tokens("smollm2-135m", **USED)).usd == Decimal("0.5")


def test_seconds_connections_and_characters_have_prices():
    minute = replace(CATALOGUE["moonshine-tiny"], name="a", price=stated((0.006, "minute")))
    hour = replace(minute, name="b", price=stated((0.36, "hour of connection")))
    voice = replace(CATALOGUE["hibari"], name="c", price=stated((15, "million characters")))
    prices = book(minute, hour, voice)
    assert prices.cost(Consumption("recognizer", "a", (("seconds", 30),))).usd == Decimal("0.003")
    assert prices.cost(Consumption("recognizer", "b", (("seconds", 30),))).usd == 0
    assert prices.cost(Consumption("recognizer", "b", (("connected_seconds", 10),))).usd == Decimal("0.001")
    assert prices.cost(Consumption("synthesizer", "c", (("characters", 1000),))).usd == Decimal("0.015")


def test_a_recogniser_of_several_costs_what_all_of_them_cost():
    fast = replace(CATALOGUE["moonshine-tiny"], price=stated((0.06, "minute")))
    both = PriceBook(lambda *_: [replace(fast, price=()), fast, fast])
    assert both.cost(Consumption("recognizer", "two", (("seconds", 60),))).usd == Decimal("0.12")


@pytest.mark.parametrize("entry", CATALOGUE.entries("chat"), ids=lambda entry: entry.name)
def test_every_language_model_of_the_catalogue_has_a_tariff_that_computes(entry: ModelEntry):
    usd = tariff_of(entry)({"input_tokens": 1000, "output_tokens": 100, "cached_tokens": 10, "cache_write_tokens": 1})
    assert usd is None or 0 <= usd < 1
