"""One telephone call: the channel, the speaker and the control of its session, over the line that carries it."""

import asyncio
import logging
import time

import numpy as np
from numpy.typing import NDArray

from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.audio.speech_gain import SpeechGain
from streamsrv.audio.tones import Tone
from streamsrv.core.inputs import DigitPressed, Input, LineDropped, TransferFailed
from streamsrv.errors import EngineError
from streamsrv.observability.metrics import EndReason
from streamsrv.runtime.channel import ChannelClosed
from streamsrv.runtime.driver import SessionDriver
from streamsrv.runtime.ending import Outcome
from streamsrv.runtime.fairness import TimeSlice
from streamsrv.runtime.send_queue import SendQueue
from streamsrv.transports.incoming import IncomingQueue
from streamsrv.transports.listeners import Listeners
from streamsrv.transports.live_calls import CallSummary
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.callee_tones import MEANINGS, CalleeTones
from streamsrv.transports.telephony.line import (
    CallFacts,
    DigitHeard,
    Line,
    LineAudio,
    LineClosed,
    LineHeld,
    MarkPassed,
)
from streamsrv.transports.telephony.masking import masked
from streamsrv.transports.telephony.phone_speaker import PhoneSpeaker
from streamsrv.transports.telephony.recording import CallRecording
from streamsrv.transports.telephony.waiting_sound import waiting_sound

logger = logging.getLogger(__name__)

NO_SOUND = np.zeros(0, np.int16)
FINISH_S = 3.0
"""Seconds after the end of a call in which what was said last may get its transcript."""
TRANSFERRED = "The call was transferred."
BEING_TRANSFERRED = "The call is being transferred already."


class PhoneCall:
    """One call that a session answers: `Channel`, `Speaker` (as `speaker`), `CallControl` and `LiveCall`."""

    has_microphone = True

    def __init__(
        self,
        call_id: str,
        line: Line,
        agent: Agent,
        principal: Principal,
        caller: str,
        *,
        tones: CalleeTones | None = None,
        joined: tuple[IncomingQueue, Listeners] | None = None,
    ) -> None:
        """`tones`: finds those of machines, which may end the call. `joined`: clients that wait for the call."""
        self.id = call_id
        self.caller = caller
        """Stands for the caller's number in logs."""
        self.agent = agent
        self.principal = principal
        """On whose account the session runs."""
        self.began_at = time.time()
        """Unix time in seconds."""
        self.driver: SessionDriver | None = None
        """Runs the session; None until it begins."""
        self._line = line
        self._incoming, self._listeners = joined or (IncomingQueue(), Listeners())
        self.tones = tones
        self.leaves_message = False
        """Whether the call has ended for the agent, and the line is for its message to an answering machine."""
        self._resampler = StreamResampler(line.sample_rate, SPEECH_RATE_HZ)
        self._gain = SpeechGain(SPEECH_RATE_HZ)
        self._transfer: asyncio.Task[None] | None = None
        self._is_referred = False
        self.is_refused = False
        """Whether the caller is being told that nobody takes the call."""
        self._finishing: asyncio.TimerHandle | None = None
        self._reason: str | None = None
        self._end_reason: EndReason = "hung_up"
        self.recording: CallRecording | None = None
        """Gets what caller and agent say; None: the call is not recorded."""
        # Marks of the call before, on the same line, may still pass while a message is left.
        self.speaker = PhoneSpeaker(line, self._tell, self._hear_agent, "p" if agent.voicemail is not None else "m")

    @property
    def facts(self) -> CallFacts:
        return self._line.facts

    @property
    def summary(self) -> CallSummary:
        facts = self.facts
        state = "ringing" if self.driver is None else "active"
        return CallSummary(facts.provider, self.began_at, facts.direction, state, self.agent.name, self.caller)

    @property
    def reason(self) -> str | None:
        """The reason why the call has ended; None while it goes on."""
        return self._reason

    def why_ended(self) -> tuple[EndReason, str]:
        """Return the name of the reason why the call has ended, and the reason."""
        return self._end_reason, self._reason or ""

    async def run(self, driver: SessionDriver) -> Outcome:
        """Run the session until it or the call ends."""
        self.driver = driver
        listening = asyncio.create_task(self._listen(), name=f"the line of call {self.id}")
        try:
            return await driver.run()
        finally:
            self.hang_up("The session ended.")
            await _cancel(listening, self._transfer)
            self._give_up()
            self._listeners.end()

    async def receive(self) -> str | NDArray[np.int16]:
        frame = await self._incoming.get()
        if frame is None:
            raise ChannelClosed
        return frame

    async def send(self, frame: bytes) -> None:
        self._listeners.send(frame)

    def attach(self) -> SendQueue:
        """Join the session: return a queue that gets every event from now on, and ends with the call."""
        return self._listeners.join(self.driver)

    def detach(self, queue: SendQueue) -> None:
        """Stop giving events to the queue; the session goes on."""
        self._listeners.detach(queue)

    async def take_attached_event(self, text: str) -> bool:
        """Add an event of an attached connection once there is room; return False if the call has ended."""
        return await self._incoming.put_event_later(text)

    def hang_up(self, reason: str, end_reason: EndReason = "hung_up") -> None:
        """End the call, for the caller, too."""
        if self._reason is None:
            self._line.hang_up()
            self._end(reason, end_reason)

    def leave_message(self) -> bool:
        """End the call but not its line, on which an answering machine listens; return False if that is impossible."""
        if self._reason is not None or self.driver is None or not self.agent.voicemail:
            return False
        self.leaves_message = True
        self._end("An answering machine has answered, and gets a message.", "machine_answered")
        self._give_up()
        return True

    def transfer(self, destination: str) -> None:
        """Give the call to another telephone. The call ends, or the session gets `TransferFailed`."""
        if self._is_transferring:
            self._tell(TransferFailed(BEING_TRANSFERRED))
            return
        self._transfer = asyncio.create_task(self._transfer_to(destination), name=f"the transfer of call {self.id}")

    async def refer(self, target: str) -> None:
        """Give the call to another telephone, then end it. Raises `Refusal`, `Unavailable` and `Rejected`."""
        if self.is_refused:
            raise Refusal(409, "call_not_referable", f"The call '{self.id}' has been rejected.", "call_id")
        if self._is_transferring:
            raise Refusal(409, "call_not_referable", BEING_TRANSFERRED, "call_id")
        self._is_referred = True
        try:
            await self._line.transfer(target)
        finally:
            self._is_referred = False
        self._end(TRANSFERRED, "transferred")

    @property
    def _is_transferring(self) -> bool:
        return self._is_referred or (self._transfer is not None and not self._transfer.done())

    def sound_waiting(self, on: bool) -> None:
        """Play a quiet sound while nothing else is played, until it is turned off."""
        self.speaker.sound(waiting_sound(self._line.sample_rate) if on else NO_SOUND)

    async def _listen(self) -> None:
        """Take the events of the line until it is closed."""
        time_slice = TimeSlice()
        try:
            while self._reason is None:
                event = await self._line.receive()
                with time_slice:
                    match event:
                        case LineAudio(pcm=pcm):
                            if self.recording is not None:
                                self.recording.hear_caller(pcm)
                            self._look_for_machine(pcm)
                            self._incoming.put_audio(self._heard(pcm))
                        case MarkPassed(name=name):
                            self.speaker.pass_mark(name)
                        case LineHeld(held=held):
                            self.speaker.hold_line(held)
                        case DigitHeard(digit=digit):
                            self._tell(DigitPressed(digit, int(time.time())))
                await time_slice.give_way()
        except LineClosed as closed:
            self._end(str(closed), "client_left")
        except Exception:
            logger.exception("the line of call %s failed", self.id)
            self.hang_up("The line failed.", "connection_lost")

    def _look_for_machine(self, pcm: NDArray[np.int16]) -> None:
        tone = self.tones.hear(pcm) if self.tones is not None else None
        says_message = self.agent.voicemail is None
        if tone is None or (tone is Tone.BEEP and (says_message or self.leave_message())):
            return
        self.hang_up(MEANINGS[tone], "machine_answered")

    def _heard(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """Bring the caller's audio to what the models take; a caller who speaks softly is amplified."""
        return self._gain.process(self._resampler.process(pcm), may_be_echo=self.speaker.is_playing)

    async def _transfer_to(self, destination: str) -> None:
        try:
            await self._line.transfer(destination)
        except EngineError as error:
            logger.warning("call %s could not be transferred: %s", self.id, masked(str(error)))
            self._tell(TransferFailed(str(error)))
        except Exception:
            logger.exception("call %s could not be transferred", self.id)
            self._tell(TransferFailed("The call could not be transferred."))
        else:
            self._end(TRANSFERRED, "transferred")

    def _hear_agent(self, pcm: NDArray[np.int16]) -> None:
        if self.recording is not None:
            self.recording.hear_agent(pcm)

    def _tell(self, happened: Input) -> None:
        if self.driver is not None:
            self.driver.handle(happened)

    def _end(self, reason: str, end_reason: EndReason) -> None:
        """End the call; the session ends when all that was said until then is transcribed."""
        if self._reason is not None:
            return
        self._reason, self._end_reason = reason, end_reason
        self.speaker.close()
        if self.recording is not None:
            self.recording.stop()
        if self.driver is None:
            self._incoming.close()
            self._listeners.end()
        else:
            self._incoming.call_after_all(lambda: self._tell(LineDropped()))
            self._finishing = asyncio.get_running_loop().call_later(FINISH_S, self._give_up)

    def _give_up(self) -> None:
        """End the session, even if it is not complete."""
        if self._finishing is not None:
            self._finishing.cancel()
        self._incoming.close()


async def _cancel(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel tasks, and wait until they have ended."""
    running = [task for task in tasks if task is not None and not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
