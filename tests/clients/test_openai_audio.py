"""Audio formats and real speech, with the stock `openai` package."""

import numpy as np
import pytest
from numpy.typing import NDArray

from client_audio import RATE, best_of_times, turn
from openai_talk import talking
from serving import RunningServer
from streamsrv.audio import g711
from streamsrv.audio.resample import StreamResampler
from streamsrv.testing.fakes import ScriptedChatModel

CODECS = {"pcmu": (g711.encode_mulaw, g711.decode_mulaw), "pcma": (g711.encode_alaw, g711.decode_alaw)}


def telephone(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """Audio as a telephone line carries it: 8 kHz."""
    return StreamResampler(RATE, 8000).process(pcm, last=True)


def words(text: str) -> set[str]:
    return {word.strip(".,;!?").lower() for word in text.split()}


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
async def test_telephone_audio_in_both_directions(server: RunningServer, chat: ScriptedChatModel, law: str) -> None:
    chat.answers += ["All is well."]
    encode, decode = CODECS[law]
    async with talking(server) as talk:
        audio_format = {"type": f"audio/{law}"}
        session = await talk.update(audio={"input": {"format": audio_format}, "output": {"format": audio_format}})
        assert session.audio.output.format.type == f"audio/{law}"
        await talk.send(encode(telephone(turn())).tobytes())
        done = await talk.until("response.done")
    assert done.response.audio.output.format.type == f"audio/{law}"
    heard = decode(np.frombuffer(talk.audio(), np.uint8))
    assert len(heard) == pytest.approx(8 * 60 * len("All is well."), abs=8)
    spectrum = np.abs(np.fft.rfft(heard))
    assert np.argmax(spectrum) * 8000 / len(heard) == pytest.approx(440, abs=2), "the tone of ToneSynthesizer"


async def test_real_speech_is_answered_by_real_engines(real_server: RunningServer) -> None:
    async with talking(real_server) as talk:
        await talk.update(
            instructions="Answer in one short sentence.",
            audio={"input": {"transcription": {"model": "default"}}},
        )
        await talk.say(best_of_times())
        done = (await talk.until("response.done")).response
    (heard,) = talk.of("conversation.item.input_audio_transcription.completed")
    assert {"best", "worst", "times"} <= words(heard.transcript)
    assert done.status == "completed"
    assert words(done.output[0].content[0].transcript)
    pcm = np.frombuffer(talk.audio(), "<i2")
    assert len(pcm) > RATE // 2
    assert np.abs(pcm).max() > 1000, "the answer is audible"


@pytest.mark.parametrize("kind", ["pcm", "pcmu", "pcma"])
async def test_real_speech_is_transcribed_in_every_format(real_server: RunningServer, kind: str) -> None:
    speech = best_of_times()
    async with talking(real_server, "streamsrv.transcription.partial", intent="transcription") as talk:
        await talk.update(
            type="transcription",
            audio={"input": {"format": {"type": f"audio/{kind}"}}},
            streamsrv={"events": ["transcription.partial"]},
        )
        if kind == "pcm":
            await talk.say(speech)
        else:
            await talk.send(CODECS[kind][0](telephone(speech)).tobytes())
        completed = await talk.until("conversation.item.input_audio_transcription.completed")
    assert {"best", "worst", "times"} <= words(completed.transcript)
    assert 4 < completed.usage.seconds < 6
