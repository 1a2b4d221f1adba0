"""Voices that are replaced for what they give or cost."""

from contextlib import aclosing
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from streamsrv.engines.breaker import Breakers
from streamsrv.engines.metering.accounts import Accounts, CostLimits, Payer, SpendingAccount
from streamsrv.engines.metering.base import Consumption
from streamsrv.engines.metering.prices import Cost
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions
from streamsrv.engines.tts.failover.synthesizer import FallbackSynthesizer
from streamsrv.engines.tts.shaping.synthesizer import ShapedSynthesizer
from streamsrv.errors import QuotaSpent
from word_tones import RATE, TEXT, WORDS, WordTones, heard

NOISE = np.random.default_rng(1).integers(-20_000, 20_000, 3 * RATE).astype(np.int16)


class Spoilt(WordTones):
    """Gives something else than speech after 2 s."""

    def __init__(self, name: str, spoilt: list[np.ndarray]) -> None:
        super().__init__(name)
        self.spoilt = spoilt

    async def stream(self, text, options):
        given = 0
        async with aclosing(super().stream(text, options)) as chunks:
            async for chunk in chunks:
                if given >= 2 * RATE:
                    break
                given += len(chunk.pcm)
                yield chunk
        for pcm in self.spoilt:
            yield SpeechChunk(pcm)


@pytest.mark.parametrize(
    "spoilt",
    [
        [NOISE],
        [np.zeros(5 * RATE, np.int16)],
        [np.full(2400, np.nan, np.float32)],
        [np.full(RATE, 9000, np.int16)],
    ],
    ids=["noise", "silence", "not a number", "a constant"],
)
async def test_a_voice_that_stops_to_speak_is_replaced_at_the_next_word(spoilt: list[np.ndarray]):
    voices = [ShapedSynthesizer(Spoilt("first", spoilt)), ShapedSynthesizer(WordTones("second"))]
    async with aclosing(FallbackSynthesizer({"": voices}).stream(TEXT, SpeechOptions())) as chunks:
        pcm = np.concatenate([chunk.pcm async for chunk in chunks])
    assert heard(pcm) == WORDS


def costs(consumption: Consumption) -> Cost:
    return Cost(Decimal(1 if consumption.model == "paid" else 0))


async def said(account: SpendingAccount, *voices: WordTones) -> np.ndarray:
    synthesizer = FallbackSynthesizer({"": voices}, Breakers(lambda: 0.0))
    async with aclosing(synthesizer.stream(TEXT, SpeechOptions(account=account))) as chunks:
        return np.concatenate([chunk.pcm async for chunk in chunks])


def account_of(usd: int) -> SpendingAccount:
    limits = CostLimits(session=Decimal(usd))
    return Accounts(costs, lambda: datetime(2026, 11, 26, tzinfo=UTC)).open(Payer(limits=limits))


async def test_a_voice_that_may_not_be_paid_for_is_replaced_by_one_that_costs_nothing():
    paid, free = WordTones("paid"), WordTones("free")
    assert heard(await said(account_of(0), paid, free)) == WORDS
    assert not paid.asked
    assert heard(await said(account_of(5), paid, free)) == WORDS
    assert paid.asked


async def test_without_one_the_limit_is_the_error():
    with pytest.raises(QuotaSpent):
        await said(account_of(0), WordTones("paid"))
