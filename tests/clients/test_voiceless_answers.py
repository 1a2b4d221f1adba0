"""What the stock `openai` package gets when the voice fails in the middle of an answer."""

import pytest

from openai_talk import talking
from serving import serving
from streamsrv.errors import Overloaded, Unavailable
from streamsrv.testing.fakes import ScriptedChatModel, ToneSynthesizer, fake_engines
from streamsrv.testing.faults import Fault
from streamsrv.testing.faulty import FaultySynthesizer

ANSWER = "One two three. Four five six. Seven eight nine."


DOWN, FULL = Unavailable("down"), Overloaded("full")


@pytest.mark.parametrize(("spoken", "error"), [(0, DOWN), (1, DOWN), (2, FULL)])
async def test_no_word_of_the_answer_is_lost_and_the_next_one_is_spoken(spoken: int, error: Exception) -> None:
    chat = ScriptedChatModel(ANSWER, ANSWER)
    voice = FaultySynthesizer(ToneSynthesizer(), *(Fault(),) * spoken, Fault(error=error))
    with serving(fake_engines(chat, synthesizer=voice)) as server:
        async with talking(server) as talk:
            await talk.write("Hello.")
            response = await talk.answer()
            heard = len(talk.audio())
            assert (response.status, response.output[0].content[0].transcript) == ("completed", ANSWER)
            assert "".join(e.delta for e in talk.of("response.output_audio_transcript.delta")) == ANSWER
            assert (heard > 0) == (spoken > 0)
            assert (await talk.answer()).status == "completed"
            assert len(talk.audio()) > heard
    assert [message.content for message in chat.asked[1]][-1] == ANSWER
