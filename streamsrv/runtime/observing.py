"""Counts and logs what a session does, from the effects of its core: no work for a frame of audio."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from streamsrv.core import effects
from streamsrv.core.calls.course import CALL_OVER
from streamsrv.core.session import SessionCore
from streamsrv.core.turns.input_buffer import chosen_model, recognition_options
from streamsrv.engines.loaded import Engines
from streamsrv.engines.metering.accounts import SpendingAccount, free_account, to_usd
from streamsrv.observability.logging import log_event
from streamsrv.observability.metrics import EndReason, Metrics, Transport
from streamsrv.observability.session_trace import SessionTrace
from streamsrv.protocol.session_object import Session
from streamsrv.runtime.core_runner import Actions
from streamsrv.runtime.ending import INTERNAL_ERROR, SLOW_CLIENT, TOO_MANY_MALFORMED, Outcome

logger = logging.getLogger(__name__)

NOTED = frozenset(("input_audio_buffer.committed", "response.done"))
"""Types of the events that tell about the progress of a session."""


@dataclass(frozen=True, slots=True)
class Connected:
    """How a client is connected, for the log and the metrics."""

    transport: Transport = "websocket"
    address: str = ""
    """`host:port`."""
    why_closed: Callable[[], tuple[EndReason, str]] = lambda: ("client_left", "The client left.")
    """Why the connection has ended, if the session did not end it: a name and a sentence."""


class SessionObserver:
    """Observes one session from `begin` to `end`."""

    def __init__(
        self,
        core: SessionCore,
        engines: Engines,
        metrics: Metrics,
        connected: Connected,
        trace: SessionTrace | None = None,
        account: SpendingAccount | None = None,
    ) -> None:
        self._account = account or free_account()
        self._trace = trace
        self._core = core
        self._engines = engines
        self._metrics = metrics
        self._connected = connected
        self._began_s = 0.0
        self._turns = self._responses = self._interruptions = 0

    def watch(self, actions: Actions) -> Actions:
        """Return the actions, those that tell about the progress of the session observed."""
        send = actions[effects.SendEvent]

        def send_event(effect: effects.SendEvent) -> None:
            send(effect)
            if effect.type in NOTED:
                self._note(effect)

        return {
            **actions,
            effects.SendEvent: send_event,
            effects.RecordTurn: self._record_turn,
            effects.RecordSpeculation: self._record_speculation,
            effects.RecordInterruption: self._record_interruption,
            effects.RecordEarlyTurnEnd: self._record_early_end,
            effects.RecordTurnEnd: lambda _: None,
        }

    def begin(self) -> None:
        """The session begins."""
        self._began_s = time.monotonic()
        self._metrics.session_opened(self._connected.transport)
        session = self._core.session
        log_event(
            logger,
            logging.INFO,
            "the session begins",
            {
                "transport": self._connected.transport,
                "client": self._connected.address or None,
                "type": session.type,
                **self._models(session),
            },
        )

    def end(self, outcome: Outcome) -> None:
        """The session has ended."""
        transport, seconds = self._connected.transport, time.monotonic() - self._began_s
        if outcome is None or outcome == CALL_OVER:
            reason, detail = self._connected.why_closed()
        else:
            reason, detail = reason_of(outcome), outcome[1]
        self._metrics.session_ended(transport, reason, seconds)
        if self._trace is not None:
            self._trace.end(reason)
        log_event(
            logger,
            logging.INFO,
            "the session has ended",
            {
                "transport": transport,
                "reason": reason,
                "detail": detail,
                "duration_s": round(seconds, 1),
                "turns": self._turns,
                "responses": self._responses,
                "interruptions": self._interruptions,
                "cost_usd": to_usd(self._account.cost().usd),
            },
        )

    def _models(self, session: Session) -> dict[str, str]:
        engines = self._engines
        hears = session.audio.input
        recognizer = engines.recognizers.find(chosen_model(hears), recognition_options(session).language)
        models = {"vad": engines.vad.name, "recognizer": recognizer.name}
        if session.type == "realtime":
            models |= {"chat": engines.chat_model(session.model).name, "synthesizer": engines.synthesizer.name}
        return models

    def _note(self, sent: effects.SendEvent) -> None:
        if sent.type == "response.done":
            self._responses += 1
            self._metrics.response(sent.fields["response"]["status"])
        else:
            self._turns += 1

    def _record_turn(self, effect: effects.RecordTurn) -> None:
        self._metrics.turn(effect.latencies_ms)
        log_event(logger, logging.INFO, "turn answered, ms after the end of speech", effect.latencies_ms)

    def _record_speculation(self, effect: effects.RecordSpeculation) -> None:
        self._metrics.speculation(effect.tokens, used=effect.used)

    def _record_early_end(self, effect: effects.RecordEarlyTurnEnd) -> None:
        self._metrics.early_turn_end(answered=effect.is_answered)
        pauses = {"pause_ms": effect.pause_ms, "answered": effect.is_answered}
        log_event(logger, logging.INFO, "the user went on with a turn that seemed to have ended", pauses)

    def _record_interruption(self, _: effects.RecordInterruption) -> None:
        self._interruptions += 1
        self._metrics.interruptions.inc()


def reason_of(outcome: tuple[int, str]) -> EndReason:
    """Return the name of why a session ended itself."""
    if outcome == SLOW_CLIENT:
        return "slow_client"
    if outcome == TOO_MANY_MALFORMED:
        return "malformed_events"
    return "internal_error" if outcome == INTERNAL_ERROR else "expired"
