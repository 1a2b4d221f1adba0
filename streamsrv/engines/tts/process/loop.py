"""The protocol of models that run in a process of their own."""

from collections.abc import Sequence
from typing import Protocol

from streamsrv.engines.tts.process.messages import Broken, Ended, Loaded, Speak, Spoken


class SpeechLoop(Protocol):
    """A loaded model that speaks several segments together, step by step. One thread calls it; all methods may block.

    The module named by `Load.module` has a function `open_loop(load: Load) -> SpeechLoop`, which imports the model's
    packages, loads and warms up the model, and raises any exception whose text tells the operator what is wrong.
    """

    @property
    def loaded(self) -> Loaded:
        """What the server is told once the model is ready."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether no segment is in progress, so that `step` has nothing to do."""
        ...

    def begin(self, request: Speak) -> None:
        """Take a segment; the caller keeps to `Loaded.streams`. An exception breaks this segment only."""
        ...

    def cancel(self, stream: int) -> None:
        """Drop a segment, which nobody is told of any more; ignored if it has ended."""
        ...

    def step(self) -> Sequence[Spoken | Ended | Broken]:
        """Work on all segments for a short time (a chunk of audio at most), and return what there is to tell.

        An exception means that the model is broken; the process ends, and another one is started.
        """
        ...
