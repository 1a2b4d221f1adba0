"""What a server can do, found in its models, its settings and the packages that are installed."""

from typing import Any

from streamsrv.audio import noise_suppression, opus
from streamsrv.core.capabilities import Capabilities, ChatFacts
from streamsrv.core.toolbox import OperatorServer
from streamsrv.engines.llm.base import ChatModel
from streamsrv.engines.llm.failover.chat_model import FallbackChatModel
from streamsrv.engines.loaded import Engines
from streamsrv.settings import Settings


def server_capabilities(engines: Engines, *, has_tracing: bool) -> Capabilities:
    """Return what these models, and the packages that are installed, can do."""
    codecs = {"audio/pcm", "audio/pcmu", "audio/pcma"} | ({"audio/opus"} if opus.is_available() else set[str]())
    recognizers, library = engines.recognizers, engines.recognizers.library
    return Capabilities(
        formats=frozenset(codecs),
        **of_voices(engines),
        recognizers=recognizers.facts,
        chains=recognizers.chains,
        retired=library.retired if library is not None else {},
        other_models=library.other_models if library is not None else {},
        chats=_chats(engines),
        default_chat=engines.chat.name,
        has_tracing=has_tracing,
        suppresses_noise=noise_suppression.is_installed(),
        seeing_models=engines.seeing_models,
    )


def of_voices(engines: Engines) -> dict[str, Any]:
    """Return the capabilities that the synthesisers give."""
    synthesizer = engines.synthesizer
    voices = synthesizer.voices
    speakers = [each for each in engines.synthesizers for _ in each.voices]
    return {
        "voices": tuple(voice.name for voice in voices),
        "voice_aliases": engines.voice_aliases,
        "voice_languages": {voice.name: voice.languages for voice in voices},
        "synthesizers": {
            each.name: tuple(voice.name for voice, by in zip(voices, speakers, strict=True) if by is each)
            for each in engines.synthesizers
        },
        "min_speed": synthesizer.min_speed,
        "max_speed": synthesizer.max_speed,
        "clones_voices": synthesizer.clones_voices,
    }


def of_tools(settings: Settings) -> dict[str, Any]:
    """Return the capabilities that the settings of tools give."""
    servers = tuple(
        OperatorServer(server.label, server.require_approval == "always", server.in_every_session)
        for server in settings.tool_server
    )
    return {"tool_servers": servers, "tool_urls": settings.tool_urls}


def _chats(engines: Engines) -> dict[str, ChatFacts]:
    """Return what is known of the language models that a client may name, also by the names of retired ones."""
    chats = {engines.chat.name: engines.chat, **engines.chat_by_name}
    found = {name: _chat_facts(chat, is_pinned=chat is not engines.chat) for name, chat in chats.items()}
    successors = {old: found[new] for old, new in engines.successors.items() if new in found}
    return successors | found


def _chat_facts(chat: ChatModel, *, is_pinned: bool) -> ChatFacts:
    models = chat.models if isinstance(chat, FallbackChatModel) and not is_pinned else [chat]
    return ChatFacts(any(model.abilities.is_local for model in models), is_pinned)
