"""Keeps what telephone agents say word for word synthesised, also when settings or voices change."""

import asyncio
import logging
from contextlib import suppress
from functools import partial

import numpy as np
from numpy.typing import NDArray

from streamsrv.access.principal import Principal
from streamsrv.engines.tts.kept_speech import KeptSpeech, SpeechKey
from streamsrv.errors import EngineError
from streamsrv.protocol.errors import ProtocolError
from streamsrv.service import Service
from streamsrv.transports.telephony.agent import Agent
from streamsrv.transports.telephony.agents import agent_of
from streamsrv.transports.telephony.fixed_speech import prepare_text

logger = logging.getLogger(__name__)

RETRY_S = 30.0
"""Seconds until texts that could not be synthesised are tried again."""
ANSWERING = Principal("telephone")
"""On whose account the texts are synthesised."""

Speech = tuple[NDArray[np.int16], int]
"""Mono audio and its rate in Hz."""


class AgentSpeech:
    """Has the greetings, questions to silent callers and goodbyes of all agents in `service.kept_speech`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.busy: dict[str, Speech] = {}
        """What each agent says to callers for whom there is no capacity."""

    async def keep(self) -> None:
        """Synthesise what is missing, again and again, until cancelled."""
        while True:
            tables, kept = self._service.settings.phone_number, self._service.kept_speech
            is_complete = await self._prepare([agent_of(table) for table in tables], kept)
            has_changed = partial(self._has_changed, tables, kept)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if is_complete else RETRY_S):
                    await self._service.changed.wait_until(has_changed)

    def _has_changed(self, tables: object, kept: KeptSpeech) -> bool:
        return self._service.settings.phone_number != tables or self._service.kept_speech is not kept

    async def _prepare(self, agents: list[Agent], kept: KeptSpeech) -> bool:
        """Synthesise what the agents say; return whether all of it could be."""
        keys: list[SpeechKey] = []
        busy: dict[str, Speech] = {}
        is_complete = True
        for agent in agents:
            self._check_model(agent)
            try:
                keys += await self._prepare_agent(agent, kept, busy)
            except ProtocolError as error:
                logger.error("the agent '%s' cannot answer: %s", agent.name, error.details.message)
            except EngineError as error:
                logger.warning("what the agent '%s' always says cannot be synthesised yet: %s", agent.name, error)
                is_complete = False
        kept.drop_others(keys)
        self.busy = busy
        return is_complete

    def _check_model(self, agent: Agent) -> None:
        """Tell the operator of a language model that the server does not have: the default one answers for it."""
        model, known = agent.session.get("model"), self._service.capabilities.chats
        if model and model not in known:
            lacking = "the agent '%s' names the language model '%s', which is not loaded: %s answers; loaded are %s"
            logger.error(lacking, agent.name, model, self._service.engines.chat.name, ", ".join(known))

    async def _prepare_agent(self, agent: Agent, kept: KeptSpeech, busy: dict[str, Speech]) -> list[SpeechKey]:
        session = self._service.opening.new(ANSWERING, agent.session)
        keys: list[SpeechKey] = []
        rules = agent.rules
        for text in (rules.greeting, agent.busy, *rules.silence_prompts, rules.goodbye, agent.voicemail or ""):
            found, pcm = await prepare_text(text, session, self._service, kept, ANSWERING)
            keys += found
            if text == agent.busy and len(pcm):
                busy[agent.name] = (pcm, self._service.engines.synthesizer.sample_rate)
        return keys
