"""Has the recogniser that a session chose loaded, and keeps it in memory for the session."""

from collections.abc import Callable

from streamsrv.core.effects import PrepareRecognizer
from streamsrv.core.inputs import Input, RecognizerPrepared
from streamsrv.engines.asr.on_demand import Hold
from streamsrv.engines.recognizers import Recognizers
from streamsrv.errors import EngineError
from streamsrv.runtime.tasks import Spawn


class Preparation:
    """Holds one recogniser at a time, and reports how its loading goes on; follows the loading in a task (`spawn`)."""

    def __init__(self, recognizers: Recognizers, spawn: Spawn, report: Callable[[Input], None]) -> None:
        self._recognizers = recognizers
        self._spawn = spawn
        self._report = report
        self._hold: Hold | None = None

    def prepare(self, effect: PrepareRecognizer) -> None:
        """Hold this recogniser in place of the one before."""
        before, self._hold = self._hold, self._recognizers.hold(effect.model)
        if before is not None:
            before.release()
        if self._hold is None or self._hold.recognizer.is_loaded:
            self._report(RecognizerPrepared(effect.model, "ready"))
        else:
            self._report(RecognizerPrepared(effect.model, "loading"))
            self._spawn(self._follow(effect.model, self._hold))

    def close(self) -> None:
        """The session ends."""
        if self._hold is not None:
            self._hold.release()

    async def _follow(self, model: str, hold: Hold) -> None:
        try:
            await hold.recognizer.loaded()
        except EngineError as error:
            self._report(RecognizerPrepared(model, "failed", str(error)))
        else:
            self._report(RecognizerPrepared(model, "ready"))
