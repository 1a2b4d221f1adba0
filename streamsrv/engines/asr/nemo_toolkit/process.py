"""The server's side of the process that runs NeMo's toolkit."""

import itertools
import logging
from collections.abc import Sequence
from typing import Protocol

from streamsrv.engines.asr.nemo_toolkit.messages import FRAMING, Broken, Close, Hear, Heard, Load, Loaded, NemoMessage
from streamsrv.errors import EngineError, Overloaded, Unavailable
from streamsrv.processes.kept_process import KeptProcess

logger = logging.getLogger(__name__)

MODULE = "streamsrv.engines.asr.nemo_toolkit.worker"


class Listener(Protocol):
    """What a stream hears from the process."""

    def ready(self, loaded: Loaded) -> None:
        """The model is loaded: audio may be sent."""
        ...

    def heard(self, message: Heard) -> None: ...

    def fail(self, error: EngineError) -> None: ...


class NemoProcess:
    """Keeps one process running. `open` gives a stream its number; all its streams fail when the process ends."""

    def __init__(
        self, load: Load, name: str, python: str | None = None, requires: Sequence[str] = (), extra: str = ""
    ) -> None:
        """`python`: the Python of another environment, which must have the modules `requires`; None: this one.

        `extra`: that of this package which installs them.
        """
        self._load = load
        self._name = name
        self._numbers = itertools.count(1)
        self._listeners: dict[int, Listener] = {}
        self._kept: KeptProcess[NemoMessage, Loaded] = KeptProcess(
            MODULE,
            FRAMING,
            load,
            Loaded,
            self._take,
            self._fail_all,
            name=name,
            python=python,
            requires=requires,
            extra=extra,
        )

    @property
    def model(self) -> Loaded | None:
        """The model, once it is loaded."""
        return self._kept.ready

    @property
    def pid(self) -> int | None:
        """The process, if one runs."""
        return self._kept.pid

    async def start(self) -> None:
        """Start the process unless it runs, and wait until it has loaded the model; raises `Unavailable`."""
        await self._kept.start()

    def open(self, listener: Listener) -> int:
        """Give a stream its number; without a `model` yet, `listener` is told when there is. Raises `EngineError`."""
        if len(self._listeners) >= self._load.streams:
            raise Overloaded(f"{self._name} recognises {self._load.streams} utterances at once, and no more.")
        self._kept.want()
        number = next(self._numbers)
        self._listeners[number] = listener
        return number

    def send(self, stream: int, pcm: bytes, language: str) -> None:
        """Send audio, in whole chunks."""
        self._kept.send(Hear(stream, pcm, language))

    def close(self, stream: int) -> None:
        """Forget a stream, and free its slot."""
        if self._listeners.pop(stream, None) is not None:
            self._kept.send(Close(stream))

    async def aclose(self) -> None:
        """End the process, and its streams; safe to call twice."""
        await self._kept.aclose()

    def _take(self, message: NemoMessage) -> None:
        match message:
            case Loaded() as loaded:
                logger.info("%s runs on %s in process %d", self._name, loaded.device, self.pid)
                for listener in list(self._listeners.values()):
                    listener.ready(loaded)
            case Heard(stream=stream) if stream in self._listeners:
                self._listeners[stream].heard(message)
            case Broken(stream=stream, reason=reason) if stream in self._listeners:
                self._listeners.pop(stream).fail(Unavailable(f"{self._name} failed: {reason}"))
            case _:
                pass

    def _fail_all(self, error: Unavailable) -> None:
        listeners, self._listeners = list(self._listeners.values()), {}
        for listener in listeners:
            listener.fail(error)
