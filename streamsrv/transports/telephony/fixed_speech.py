"""Synthesises what agents say word for word, before anybody calls: greetings, questions to silent callers, goodbyes."""

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamsrv.access.principal import Principal
from streamsrv.core.call_rules import CallRules
from streamsrv.core.effects import Effect, SetTimer, Synthesize
from streamsrv.core.inputs import Input, SegmentSpoken, SpeechOutput, TimerFired
from streamsrv.core.session import SessionCore
from streamsrv.core.timers import SpeechDue
from streamsrv.engines.boundary import engine_call
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions
from streamsrv.engines.tts.kept_speech import KeptSpeech, SpeechKey
from streamsrv.ids import new_id
from streamsrv.protocol.session_object import Session
from streamsrv.service import Service


class Rehearsal:
    """Has a session say a text, to find out in which segments and with which options it is spoken.

    Time passes only when it is told so.
    """

    def __init__(self, text: str, session: Session, service: Service, principal: Principal) -> None:
        rules = CallRules(greeting=text, may_hang_up=False, silence_ms=0, waiting_after_ms=0)
        capabilities = service.capabilities_of(principal)
        self._core = SessionCore(session, new_id=new_id, capabilities=capabilities, offers_tools=False, call=rules)
        self._now_ms = 0
        self._effects: list[Effect] = self._core.start()

    def next(self) -> Synthesize | None:
        """Return the next segment; None: the text was said."""
        for _ in range(2):
            for effect in self._take():
                match effect:
                    case Synthesize():
                        return effect
                    case SetTimer(key=SpeechDue() as key, delay_ms=delay_ms):  # much speech waits to be played
                        self._now_ms += delay_ms
                        self._give(TimerFired(key))
                    case _:
                        pass
        return None

    def hear(self, segment: Synthesize, chunks: tuple[SpeechChunk, ...], sample_rate: int) -> None:
        """Take the speech of a segment."""
        for chunk in chunks:
            self._give(SpeechOutput(segment.generation, chunk.pcm, sample_rate, chunk.words, chunk.spoken_by))
        self._give(SegmentSpoken(segment.generation))

    def _take(self) -> Iterator[Effect]:
        effects, self._effects = self._effects, []
        return iter(effects)

    def _give(self, happened: Input) -> None:
        self._effects += self._core.handle(happened, self._now_ms)


async def prepare_text(
    text: str, session: Session, service: Service, kept: KeptSpeech, principal: Principal
) -> tuple[list[SpeechKey], NDArray[np.int16]]:
    """Keep the speech of a text as this session says it; return the keys of its segments, and its audio.

    What is kept already is not synthesised again. Raises `EngineError`.
    """
    synthesizer = service.engines.synthesizer
    account = service.account(principal, "telephone announcements")
    rehearsal = Rehearsal(text, session, service, principal)
    keys: list[SpeechKey] = []
    audio = [np.zeros(0, np.int16)]
    try:
        while (segment := rehearsal.next()) is not None:
            key = SpeechKey.of(segment.text, segment.options)
            chunks = kept.find(key)
            if chunks is None:
                chunks = await _speak(service, segment.text, replace(segment.options, account=account))
            if key is not None and kept.keep(key, chunks):
                keys.append(key)
            audio += [chunk.pcm for chunk in chunks]
            rehearsal.hear(segment, chunks, synthesizer.sample_rate)
    finally:
        account.close()
    return keys, np.concatenate(audio)


async def _speak(service: Service, text: str, options: SpeechOptions) -> tuple[SpeechChunk, ...]:
    with engine_call("speech synthesiser"):
        async with aclosing(service.engines.synthesizer.stream(text, options)) as chunks:
            return tuple([chunk async for chunk in chunks])
