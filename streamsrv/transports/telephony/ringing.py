"""Lets a caller hear that the call rings, while it is decided what becomes of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import numpy as np

from streamsrv.transports.telephony.announcing import announce
from streamsrv.transports.telephony.line import Line, MarkPassed, UnansweredLine
from streamsrv.transports.telephony.phone_speaker import PhoneSpeaker
from streamsrv.transports.telephony.waiting_sound import busy_tone, ringing_tone

Decided = TypeVar("Decided")


async def ring(line: Line, speaker: PhoneSpeaker, deciding: Coroutine[Any, Any, Decided]) -> Decided:
    """Return what was decided; raises `LineClosed` if the caller hangs up before.

    What the caller says meanwhile is not heard. The network of an `UnansweredLine` rings by itself.
    """
    decision = asyncio.create_task(deciding)
    listening = asyncio.create_task(_listen(line, speaker))
    if not isinstance(line, UnansweredLine):
        speaker.sound(ringing_tone(line.sample_rate))
    try:
        await asyncio.wait({decision, listening}, return_when=asyncio.FIRST_COMPLETED)
        if not decision.done():
            listening.result()  # raises
        return decision.result()
    finally:
        speaker.sound(np.zeros(0, np.int16))
        decision.cancel()
        listening.cancel()
        await asyncio.gather(decision, listening, return_exceptions=True)


async def refuse(line: Line, status_code: int) -> None:
    """End a call that is not to be answered; where the network has answered it, the caller hears a busy line."""
    if isinstance(line, UnansweredLine):
        line.refuse(status_code)
    else:
        await announce(line, busy_tone(line.sample_rate), line.sample_rate)


async def _listen(line: Line, speaker: PhoneSpeaker) -> None:
    while True:
        event = await line.receive()
        if isinstance(event, MarkPassed):
            speaker.pass_mark(event.name)
        await asyncio.sleep(0)
