"""The engines of a server that runs one model alone, which other servers use over HTTP."""

from collections.abc import Sequence

from streamsrv.engines.absent import AbsentChatModel, AbsentRecognizer, AbsentVad
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.loaded import Engines, LoadedModel
from streamsrv.engines.recognizers import Recognizers
from streamsrv.engines.tts.base import Synthesizer
from streamsrv.inference.scheduler import Scheduler


def single_engines(
    synthesizer: Synthesizer,
    scheduler: Scheduler,
    voice_activity: Scheduler,
    loaded: Sequence[LoadedModel],
    breakers: Breakers,
) -> Engines:
    """Return the engines of a server with a synthesiser; all other stages are absent."""
    return Engines(
        vad=AbsentVad(),
        recognizers=Recognizers([AbsentRecognizer()], breakers),
        chat=AbsentChatModel(),
        synthesizer=synthesizer,
        scheduler=scheduler,
        voice_activity=voice_activity,
        chat_by_name={},
        loaded=tuple(loaded),
        breakers=breakers,
    )
