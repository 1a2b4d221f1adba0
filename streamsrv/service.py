"""The objects that all requests of one server share, and the one way to start a session."""

import asyncio
import logging
import os
import secrets
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from streamsrv.access.admission import Admission, Limits, Place
from streamsrv.access.authentication import Authentication
from streamsrv.access.budget import Budget
from streamsrv.access.client_secrets import ClientSecrets
from streamsrv.access.opening import Offer, Opening, begin_now, max_session_ms
from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.captions.rooms import Rooms
from streamsrv.core.call_rules import CallRules
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.session import SessionCore
from streamsrv.engines.llm.base import ChatModel
from streamsrv.engines.llm.capped import CappedChatModel
from streamsrv.engines.llm.charged import ChargedChatModel
from streamsrv.engines.loaded import Engines
from streamsrv.engines.metering.accounts import Accounts, Charge, CostLimits, Payer, SpendingAccount, Standing
from streamsrv.engines.metering.prices import PriceBook, book_of
from streamsrv.engines.startup import max_voice_activity_jobs
from streamsrv.engines.tts.kept_speech import KeepingSynthesizer, KeptSpeech
from streamsrv.errors import INSUFFICIENT_QUOTA, QuotaSpent
from streamsrv.ids import new_id
from streamsrv.inference.load import Load
from streamsrv.observability.logging import log_event
from streamsrv.observability.metrics import Metrics
from streamsrv.observability.tracing import Tracing
from streamsrv.processes.usage import USAGES
from streamsrv.protocol.session_object import Session
from streamsrv.runtime.channel import CallControl, Channel, Speaker
from streamsrv.runtime.driver import SessionDriver
from streamsrv.runtime.observing import Connected
from streamsrv.server_capabilities import of_tools, of_voices, server_capabilities
from streamsrv.settings import Settings
from streamsrv.signals import Signal
from streamsrv.supervisor import Supervisor
from streamsrv.text.voice_manners import VoiceManners
from streamsrv.tools.servers import ToolServers
from streamsrv.voices.library import VoiceLibrary
from streamsrv.voices.previews import Previews

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from streamsrv.ledger.ledger import Ledger

WATCH_S = 0.5
"""Seconds between two measurements of load."""
WITH_BREAKERS = ("recognizer", "chat", "synthesizer")
"""Stages whose models have circuit breakers."""
LOOK_S = 10.0
"""Seconds between two looks for what recognisers lack, and which voices there are."""
MAX_ADMISSION_S = 3.0
"""Seconds a client waits at most until the load of the sessions before it is measured."""


@dataclass(slots=True)
class Service:
    """Holds the settings, models and limits of one server, admits clients and starts sessions."""

    settings: Settings
    engines: Engines
    metrics: Metrics = field(default_factory=Metrics)
    ledger: "Ledger | None" = None
    """Keeps what requests have cost; None: it is forgotten when the server ends."""
    tracing: Tracing | None = None
    """Makes traces of sessions; None: nothing is traced."""
    load: Load = field(default_factory=lambda: Load(_cores()))
    background: Supervisor = field(default_factory=Supervisor)
    """Runs the tasks that do not belong to a request."""
    client_secrets: ClientSecrets = field(init=False)
    authentication: Authentication = field(init=False)
    opening: Opening = field(init=False)
    admission: Admission = field(init=False)
    budget: Budget = field(init=False)
    prices: PriceBook = field(init=False)
    accounts: Accounts = field(init=False)
    rooms: Rooms = field(init=False)
    tools: ToolServers = field(init=False)
    capabilities: Capabilities = field(init=False)
    cloned_voices: VoiceLibrary = field(init=False)
    previews: Previews = field(init=False)
    kept_speech: KeptSpeech = field(init=False)
    """Speech that sessions need not synthesise again."""
    changed: Signal = field(default_factory=Signal)
    """Notified when settings or models have changed."""
    examining: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """Held while a recording is decoded and examined: a small file may hold long audio of a high rate."""
    _measured: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        settings = self.settings
        self.tools = ToolServers(settings.tool_server)
        self.cloned_voices = VoiceLibrary(settings.voice_folder)
        self._use(self.engines)
        chosen = settings.secret_key
        self.client_secrets = ClientSecrets(chosen.get_secret_value().encode() if chosen else secrets.token_bytes(32))
        self.authentication = Authentication(lambda: self.settings, self.client_secrets)
        self.opening = Opening(self._offer, self.client_secrets)
        self.admission = Admission(_limits(settings), self.load if settings.admit_by_load else None)
        self.budget = Budget()
        self.accounts = Accounts(
            lambda consumption: self.prices.cost(consumption),
            lambda: datetime.now(UTC),
            self._paid,
            self._limit_reached,
        )
        if self.ledger is not None:
            ledger = self.ledger
            ledger.restore = self.accounts.restore
            self.metrics.ledger_waiting.set_function(lambda: ledger.waiting)
            self.metrics.ledger_lost.set_function(lambda: ledger.lost)
        self.metrics.sessions.set_function(lambda: self.admission.sessions)
        self.metrics.sessions_limit.set_function(lambda: self.settings.max_sessions)
        self.metrics.caption_rooms.set_function(lambda: self.rooms.count)
        self.metrics.caption_viewers.set_function(lambda: self.rooms.viewers)
        self.rooms = Rooms(
            settings.caption_rooms,
            keep_ms=_keep_ms(settings),
            new_key=lambda: secrets.token_hex(4),
            folder=settings.caption_folder,
        )
        self.engines.scheduler.observe(self.metrics)
        self.engines.voice_activity.observe(self.metrics)

    def apply(self, settings: Settings, engines: Engines) -> None:
        """Use other settings and models for all sessions and requests that begin from now on.

        The engines must be those in use, or have their schedulers.
        """
        before, self.settings = self.settings, settings
        if settings.tool_server != before.tool_server:
            self.background.spawn(self.tools.retire(), "the end of replaced tool servers")
            self.tools = ToolServers(settings.tool_server)
            self.background.spawn(self.tools.report(), "the look at the tool servers")
        if engines is not self.engines:
            self._use(engines)
        self.capabilities = replace(self.capabilities, **of_tools(settings))
        self.admission.limit(_limits(settings), self.load if settings.admit_by_load else None)
        self.rooms.limit(settings.caption_rooms, keep_ms=_keep_ms(settings))
        self.changed.notify()
        voice_activity = self.engines.voice_activity  # never less than the sessions need that run
        voice_activity.queue_limit = max(voice_activity.queue_limit, max_voice_activity_jobs(settings))

    def _use(self, engines: Engines) -> None:
        for (stage, model), substitutes in engines.substitutes.items():
            self.metrics.expect_model(stage, model, substitutes)
            if stage in WITH_BREAKERS:
                self.metrics.watch_breaker(stage, model, partial(engines.breakers.state, stage, model))
        self.engines = engines.observed(self.metrics)
        self.previews = Previews()
        self.kept_speech = KeptSpeech()
        self.prices = book_of(self.engines.entries, self.settings.model)
        engines.recognizers.take_over()
        capabilities = server_capabilities(self.engines, has_tracing=self.tracing is not None)
        self.capabilities = replace(capabilities, **of_tools(self.settings))

    def _offer(self, principal: Principal) -> Offer:
        return Offer(self.settings, self.engines.chat.name, self.capabilities_of(principal))

    def capabilities_of(self, principal: Principal) -> Capabilities:
        """Return what `principal` may ask for: what everybody may, and its own cloned voices."""
        return replace(self.capabilities, clones=self.cloned_voices.of(principal.key_id))

    @property
    def problems(self) -> list[str]:
        """A sentence for each model, each database and each folder that fails now."""
        kept = [self.rooms.keeper.problem] if self.rooms.keeper is not None and self.rooms.keeper.problem else []
        return self.engines.problems + (self.ledger.problems if self.ledger is not None else []) + kept

    @property
    def sessions(self) -> int:
        """The number of sessions that run or are about to begin."""
        return self.admission.sessions

    @property
    def requests(self) -> int:
        """The number of REST requests in progress that take time."""
        return self.admission.requests

    async def admit(self, principal: Principal) -> Place:
        """Take a place for a session, which the caller gives back; raises `Refusal`.

        When many clients come at once, they wait here until the load of the sessions before them is measured.
        """
        try:
            self.check_quota(principal)
            await self._wait_for_measurement(principal)
            return self.admission.take_session(principal)
        except Refusal:
            self.metrics.refused.inc()
            raise

    async def _wait_for_measurement(self, principal: Principal) -> None:
        deadline_s = time.monotonic() + MAX_ADMISSION_S
        while self.admission.is_measuring(principal) and (left_s := deadline_s - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._measured.wait()
            except TimeoutError:
                return

    def start_session(
        self,
        session: Session,
        principal: Principal,
        channel: Channel,
        speaker: Speaker | None = None,
        connected: Connected = Connected(),  # noqa: B008 (it cannot be changed)
        call: CallControl | None = None,
        rules: CallRules | None = None,
        max_minutes: float = 0,
    ) -> SessionDriver:
        """Begin a session over a transport, and return its driver. The caller holds a place for it and runs the driver.

        `speaker`: plays the answers, if the transport (not the client) holds playback. `call`, `rules`: the telephone
        call that the session runs in, and what the operator wants of it. `max_minutes`: the session ends after that at
        the latest; 0: after the time of every session.
        """
        limit_ms = max_session_ms(session, self.settings, max_minutes)
        core = SessionCore(
            begin_now(session, limit_ms),
            new_id=new_id,
            responses_per_minute=self.settings.responses_per_minute,
            speculative=self.settings.speculative,
            holds_playback=speaker is not None,
            max_session_ms=limit_ms,
            caption_rooms=principal.caption_rooms,
            capabilities=self.capabilities_of(principal),
            manners=_manners(self.settings),
            offers_tools=self.engines.chat_model(session.model).abilities.calls_tools,
            call=rules,
        )
        engines = self._engines_for(principal)
        account = self.account(principal, session.id)
        trace = self.tracing.session(session.id, connected.transport) if self.tracing is not None else None
        return SessionDriver(
            core,
            engines,
            channel,
            new_id,
            self.metrics,
            self.rooms,
            speaker,
            connected,
            trace,
            account,
            self.tools,
            call,
        )

    def account(self, principal: Principal, owner_id: str) -> SpendingAccount:
        """Open the account of a session or a request of `principal`."""
        settings = self.settings
        limits = CostLimits(
            session=principal.limits.cost_per_session,
            key=principal.limits.cost_per_day,
            server=settings.max_cost_per_day,
            warn_at=settings.cost_warn_at,
            save_at=settings.cost_save_at,
        )
        return self.accounts.open(Payer(principal.key_id, principal.secret_id or "", owner_id, limits))

    def check_quota(self, principal: Principal) -> None:
        """Raise `Refusal` if the key of `principal`, or the server, may cost no more today."""
        try:
            self.account(principal, "").check()
        except QuotaSpent as error:
            now = datetime.now(UTC)
            retry_after_s = 86_400 - (now.hour * 3600 + now.minute * 60 + now.second)
            raise Refusal(429, INSUFFICIENT_QUOTA, str(error), retry_after_s=retry_after_s) from error

    def _paid(self, charge: Charge) -> None:
        consumption, cost = charge.consumption, charge.cost
        if self.ledger is not None:
            self.ledger.add(charge)
        self.metrics.paid(consumption.stage, consumption.model, float(cost.usd), is_known=cost.is_known)

    def _limit_reached(self, payer: Payer, standing: Standing) -> None:
        assert standing.scope is not None
        self.metrics.limit_reached(standing.scope, standing.level)
        fields = {"scope": standing.scope, "level": standing.level, "key": payer.key_id, "owner": payer.owner_id}
        log_event(logger, logging.WARNING, standing.reason, fields)

    def charge(self, principal: Principal) -> None:
        """Count a language model answer; raises `Overloaded` if the API key of `principal` has none left for now."""
        self.budget.charge(principal, time.monotonic())

    def _engines_for(self, principal: Principal) -> Engines:
        router = self.engines.chat

        def limited(chat: ChatModel) -> ChatModel:
            capped = CappedChatModel(chat, router)
            if principal.limits.responses_per_minute is None:
                return capped
            return ChargedChatModel(capped, lambda: self.charge(principal))

        chat_by_name = {name: limited(chat) for name, chat in self.engines.chat_by_name.items()}
        synthesizer = KeepingSynthesizer(self.engines.synthesizer, self.kept_speech)
        return replace(self.engines, chat=limited(router), chat_by_name=chat_by_name, synthesizer=synthesizer)

    def chat_model(self, name: str) -> ChatModel:
        """Return the model of that name for a REST request, which keeps within the limits of the request's account."""
        return CappedChatModel(self.engines.chat_model(name), self.engines.chat)

    async def watch_models(self) -> None:
        """Find out again and again what clients may choose now: what recognisers lack, and which voices there are."""
        while True:
            await asyncio.sleep(LOOK_S)
            if (library := self.engines.recognizers.library) is not None:
                await asyncio.to_thread(library.look)
            self.renew_voices()

    def renew_voices(self) -> None:
        """Let clients choose the voices of a synthesiser that could not be reached before."""
        self.capabilities = replace(self.capabilities, **of_voices(self.engines))

    async def watch(self) -> None:
        """Measure the load of this process and its helper processes until cancelled."""

        def used_s() -> float:
            return time.process_time() + USAGES.cpu_s

        while True:
            models = self.engines.occupancies
            model_s = [occupancy.total_s for occupancy in models]
            started_s, cpu_s, begun = time.monotonic(), used_s(), self.admission.sessions_begun
            await asyncio.sleep(WATCH_S)
            seconds = time.monotonic() - started_s
            queue_age_s = self.engines.scheduler.queue_age_s
            lag_s = max(0.0, seconds - WATCH_S)
            self.load.observe(
                seconds,
                sessions=self.sessions,
                started=self.admission.sessions_begun - begun,
                cpu_s=used_s() - cpu_s,
                model_s=max((model.total_s - at_s for model, at_s in zip(models, model_s, strict=True)), default=0.0),
                lag_s=lag_s,
                queue_age_s=queue_age_s,
            )
            self._measured.set()
            self._measured = asyncio.Event()
            self.metrics.event_loop_lag.observe(lag_s)
            self.metrics.queue_age.set(queue_age_s)
            self.metrics.busy.set(self.load.busy)
            self.metrics.model_busy.set(self.load.model_busy)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.max_sessions, settings.max_requests)


def _manners(settings: Settings) -> VoiceManners:
    return VoiceManners(settings.voice_preface, settings.apology, settings.filler, settings.filler_after_ms)


def _keep_ms(settings: Settings) -> int:
    return round(settings.caption_keep_minutes * 60_000)


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
