"""Plays a recorded announcement to a caller whom no session answers."""

import asyncio

import numpy as np
from numpy.typing import NDArray

from streamsrv.core.inputs import PlaybackEnded
from streamsrv.transports.telephony.line import Line, LineClosed, MarkPassed
from streamsrv.transports.telephony.phone_speaker import PhoneSpeaker
from streamsrv.transports.telephony.playback import Report
from streamsrv.transports.telephony.waiting_sound import busy_tone

MAX_ANNOUNCEMENTS = 200
"""Announcements that are played at once; further callers are hung up on at once."""
PATIENCE_S = 5.0
"""Seconds that the playback of an announcement may take longer than the announcement."""
TONE_RATE_HZ = 8000


class Announcer:
    """Tells callers that there is no capacity for their calls."""

    def __init__(self) -> None:
        self._playing = 0

    async def turn_away(self, line: Line, speech: tuple[NDArray[np.int16], int] | None) -> None:
        """Play the announcement to its end, or until the line is closed.

        `speech`: mono, and its rate in Hz; None: the caller hears the tone of a busy line.
        """
        if self._playing >= MAX_ANNOUNCEMENTS:
            return
        pcm, rate = speech or (busy_tone(TONE_RATE_HZ), TONE_RATE_HZ)
        self._playing += 1
        try:
            await announce(line, pcm, rate)
        finally:
            self._playing -= 1


async def announce(line: Line, pcm: NDArray[np.int16], sample_rate: int) -> None:
    """Play mono audio on a line; return when the caller has heard it, or the line is closed."""
    heard = asyncio.Event()

    def take(report: Report) -> None:
        if isinstance(report, PlaybackEnded):
            heard.set()

    speaker = PhoneSpeaker(line, take)
    listening = asyncio.create_task(_listen(line, speaker, heard))
    try:
        async with asyncio.timeout(len(pcm) / sample_rate + PATIENCE_S):
            speaker.play("announcement", pcm, sample_rate)
            speaker.finish("announcement")
            await heard.wait()
    except TimeoutError:
        pass
    finally:
        speaker.close()
        listening.cancel()
        await asyncio.wait([listening])


async def _listen(line: Line, speaker: PhoneSpeaker, heard: asyncio.Event) -> None:
    try:
        while True:
            event = await line.receive()
            if isinstance(event, MarkPassed):
                speaker.pass_mark(event.name)
            await asyncio.sleep(0)
    except LineClosed:
        heard.set()
