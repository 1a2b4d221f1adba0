"""A fake of a synthesiser in a process of its own: 100 ms for each word. Words of the text say how it misbehaves."""

import os
import sys
import time

from streamsrv.engines.tts.process.messages import Broken, Ended, Load, Loaded, LoadedVoice, Speak, Spoken
from streamsrv.errors import Rejected

RATE = 24_000
WORD_SAMPLES = RATE // 10


class FakeSpeechLoop:
    """Speaks a word of each segment in a step. `forever` goes on without end, `slowly` takes a while for each step."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._left: dict[int, list[str]] = {}

    @property
    def loaded(self) -> Loaded:
        voices = [LoadedVoice("fake", ["en"], "no real voice", "female"), LoadedVoice(str(os.getpid()), ["de"])]
        return Loaded(RATE, voices, 0.5, 2.0, True, self._load.options.get("streams", 2), "cpu")

    @property
    def is_idle(self) -> bool:
        return not self._left

    def begin(self, request: Speak) -> None:
        if "refuse" in request.text:
            raise Rejected("it has no words")
        if "break" in request.text:
            raise RuntimeError("out of memory")
        if "options" in request.text:
            shown = f"{request.voice} {request.language} {request.speed} {request.reference_id} {request.reference}"
            raise Rejected(shown)
        self._left[request.stream] = request.text.split()

    def cancel(self, stream: int) -> None:
        self._left.pop(stream, None)

    def step(self) -> list[Spoken | Ended | Broken]:
        told: list[Spoken | Ended | Broken] = []
        for stream, words in list(self._left.items()):
            if not words:
                del self._left[stream]
                told.append(Ended(stream))
                continue
            match words[0]:
                case "die":
                    os._exit(3)
                case "crash":
                    raise RuntimeError("the model is broken")
                case "leave":
                    sys.exit(0)
                case "hang":
                    time.sleep(1000)
                case "odd":
                    told.append(Spoken(stream, b"123"))
                case "where":
                    told.append(Spoken(stream, b"", [(sys.prefix, 0, 0)]))
                case "long":
                    told.append(Spoken(stream, bytes(2 * 25 * WORD_SAMPLES), [("long", 0, 2500)]))
                case _:
                    told.append(Spoken(stream, b"\1\0" * WORD_SAMPLES, [(words[0], 0, 100)]))
            if words[0] == "slowly":
                time.sleep(0.05)
            if words[0] != "forever":
                words.pop(0)
        return told


def open_loop(load: Load) -> FakeSpeechLoop:
    if reason := load.options.get("fails"):
        raise ValueError(reason)
    if load.options.get("dies"):
        os._exit(3)
    return FakeSpeechLoop(load)
