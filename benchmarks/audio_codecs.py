"""Measures the cost of PCM and Opus over a WebSocket: bytes on the wire and CPU time for each second of audio.

Usage: python benchmarks/audio_codecs.py [RECORDING]

Sends a recording (default: `fixtures/block_books.flac`) in real time to a session of a server with the embedded models
and requests long answers, once with PCM and once with Opus. Bytes are those of the events with audio and their
WebSocket frame headers, without TCP and TLS. CPU time is measured in this process for the server's own steps: from a
packet or 20 ms of PCM to frames, and from speech to events. `step` is how long one event occupies the event loop.
"""

import argparse
import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import connect

from live import RATE, Microphone, append, machine, server
from streamsrv.audio.files import read_audio
from streamsrv.audio.opus import OpusDecoder, OpusEncoder
from streamsrv.core.effects import SendAudio
from streamsrv.protocol.session_object import AudioFormat, Opus, Pcm
from streamsrv.runtime.intake import Intake
from streamsrv.runtime.speech_encoder import SpeechEncoder, encode_event

FORMATS: dict[str, AudioFormat] = {"pcm": Pcm(), "opus": Opus()}
CHUNK = RATE // 50
ANSWER_S = 10
"""Seconds of speech after which no more answers are requested."""
REPEATS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parent.parent / "fixtures" / "block_books.flac"
    parser.add_argument("recording", type=Path, nargs="?", default=default)
    recording = parser.parse_args().recording
    said = read_audio(recording, RATE)
    said = said[: len(said) - len(said) % CHUNK]
    wire = asyncio.run(measure_wire(said))
    for name, audio_format in FORMATS.items():
        result = {"codec": name, **wire[name], **hearing_cost(said, audio_format), **speaking_cost(said, audio_format)}
        print(json.dumps(result), flush=True)
    print(json.dumps(machine()))


async def measure_wire(said: NDArray[np.int16]) -> dict[str, dict[str, int]]:
    """Return the bytes for each second of audio in each direction, by codec."""
    with server() as url:
        return {name: await one_session(url, name, said) for name in FORMATS}


async def one_session(url: str, codec: str, said: NDArray[np.int16]) -> dict[str, int]:
    pack = packets_of(OpusEncoder(lossy=False)) if codec == "opus" else append
    sent: list[int] = []

    def counted(chunk: bytes) -> str:
        event = pack(chunk)
        sent.append(len(event) + header_bytes(len(event)) + 4)  # a client's frames are masked
        return event

    formats = {"format": {"type": f"audio/{codec}"}}
    async with connect(url, max_size=None, compression=None) as socket:
        update = {"audio": {"input": {**formats, "turn_detection": None}, "output": formats}}
        await socket.send(json.dumps({"type": "session.update", "session": update}))
        microphone = Microphone(socket, pack=counted)
        microphone.play(said)
        running = asyncio.create_task(microphone.run())
        await asyncio.sleep(len(said) / RATE)
        running.cancel()
        received, samples = 0, 0
        while samples < ANSWER_S * RATE:
            await socket.send(json.dumps(question()))
            more_bytes, more_samples = await receive_answer(socket, codec)
            received, samples = received + more_bytes, samples + more_samples
    return {
        "up_bytes_s": round(sum(sent) * RATE / (CHUNK * len(sent))),
        "down_bytes_s": round(received * RATE / samples),
    }


def question() -> dict[str, Any]:
    content = [{"type": "input_text", "text": "Tell me a long story about a lighthouse."}]
    asked = [{"type": "message", "role": "user", "content": content}]
    return {"type": "response.create", "response": {"conversation": "none", "input": asked}}


async def receive_answer(socket: Any, codec: str) -> tuple[int, int]:
    """Return the bytes of the events with audio, and their samples."""
    decoder = OpusDecoder()
    received, samples = 0, 0
    async for frame in socket:
        event = json.loads(frame)
        if event["type"] == "response.output_audio.delta":
            audio = base64.b64decode(event["delta"])
            received += len(frame) + header_bytes(len(frame))
            samples += len(decoder.decode(audio)) // 2 if codec == "opus" else len(audio) // 2
        if event["type"] == "response.done":
            break
    return received, samples


def packets_of(encoder: OpusEncoder) -> Callable[[bytes], str]:
    return lambda chunk: append(encoder.encode(np.frombuffer(chunk, np.int16)))


def header_bytes(payload: int) -> int:
    """Return the header size of a WebSocket frame that a server sends (RFC 6455, section 5.2)."""
    return 2 if payload < 126 else 4 if payload < 65_536 else 10


def hearing_cost(said: NDArray[np.int16], audio_format: AudioFormat) -> dict[str, float]:
    encoder = OpusEncoder(lossy=False)
    chunks = said.reshape(-1, CHUNK)
    pieces = [encoder.encode(chunk) if isinstance(audio_format, Opus) else chunk.tobytes() for chunk in chunks]
    intake = Intake()
    started_s = time.process_time()
    for _ in range(REPEATS):
        for piece in pieces:
            intake.append(piece, audio_format)
    spent_s = time.process_time() - started_s
    return {"heard_cpu_ms_s": per_second(spent_s, said)}


def speaking_cost(said: NDArray[np.int16], audio_format: AudioFormat) -> dict[str, float]:
    spent_s = 0.0
    steps_ms: list[float] = []
    for _ in range(REPEATS):
        audio = SendAudio({"response_id": "resp", "item_id": "item"}, said, RATE, audio_format)
        encoder = SpeechEncoder(audio)
        started_s = time.process_time()
        steps_ms += step_times_ms(encoder.encode(audio))
        steps_ms += step_times_ms(encoder.finish())
        spent_s += time.process_time() - started_s
    p99, longest = np.percentile(steps_ms, [99, 100])
    return {
        "spoken_cpu_ms_s": per_second(spent_s, said),
        "step_p99_ms": round(float(p99), 2),
        "step_longest_ms": round(float(longest), 2),
    }


def step_times_ms(events: Iterator[dict[str, Any]]) -> Iterator[float]:
    while True:
        started_s = time.process_time()
        event = next(events, None)
        if event is None:
            return
        encode_event(event)
        yield (time.process_time() - started_s) * 1000


def per_second(spent_s: float, said: NDArray[np.int16]) -> float:
    """Return the ms of CPU time for each second of audio."""
    return round(spent_s * 1000 * RATE / (len(said) * REPEATS), 2)


if __name__ == "__main__":
    main()
