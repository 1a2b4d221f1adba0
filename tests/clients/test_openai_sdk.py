"""Realtime conversations of the stock `openai` package with a running server."""

from typing import Any, cast

import numpy as np
import pytest

from able_recognizer import GERMAN, LOGPROBS, FakeAbleRecognizer
from client_audio import RATE, loud, silence, turn
from openai_talk import talking
from serving import RunningServer, serving
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines


async def test_a_voice_turn_is_transcribed_and_answered(server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["Good morning to you. How are you?"]
    async with talking(server) as talk:
        await talk.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
        await talk.say(turn())
        done = await talk.until("response.done")
    assert talk.of("conversation.item.input_audio_transcription.completed")[0].transcript == "hello"
    assert done.response.status == "completed"
    assert done.response.output[0].content[0].transcript == "Good morning to you. How are you?"
    assert done.response.usage.output_tokens == 7
    assert chat.asked[0][-1].content == "hello"
    spoken_ms = len(talk.audio()) / 2 / RATE * 1000
    assert spoken_ms == 60 * len("Good morning to you." + "How are you?")


@pytest.mark.usefixtures("first_answer_held")
async def test_speech_during_the_answer_cancels_it(server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["One two three, four five. Six seven.", "Sorry."]
    async with talking(server) as talk:
        await talk.say(turn())
        heard = await talk.until("response.output_audio.delta")
        await talk.say(np.concatenate([silence(1100), loud()]))  # later than a user who goes on
        await talk.until("input_audio_buffer.speech_started")
        cut = (await talk.until("response.done")).response
        assert (cut.status, cut.status_details.reason) == ("cancelled", "turn_detected")
        assert cut.output[0].status == "incomplete"
        await talk.connection.conversation.item.truncate(item_id=heard.item_id, content_index=0, audio_end_ms=500)
        assert (await talk.until("conversation.item.truncated")).audio_end_ms == 500
        await talk.say(silence())
        answered = (await talk.until("response.done")).response
    assert answered.status == "completed"
    assert [(message.role, message.content) for message in chat.asked[1][1:]] == [
        ("user", "hello"),
        ("assistant", "One two"),
        ("user", "hello"),
    ]


@pytest.mark.usefixtures("first_answer_held")
async def test_speech_right_after_a_turn_goes_on_with_it_and_the_client_may_truncate_the_answer(
    server: RunningServer, chat: ScriptedChatModel
) -> None:
    chat.answers += ["One two three, four five. Six seven.", "Sorry."]
    async with talking(server) as talk:
        await talk.say(turn())
        heard = await talk.until("response.output_audio.delta")
        await talk.say(loud())
        cut = (await talk.until("response.done")).response
        assert (cut.status, cut.status_details.reason) == ("cancelled", "turn_detected")
        await talk.connection.conversation.item.truncate(item_id=heard.item_id, content_index=0, audio_end_ms=500)
        assert (await talk.until("conversation.item.truncated")).audio_end_ms == 500
        await talk.say(silence())
        assert (await talk.until("response.done")).response.status == "completed"
    assert [(message.role, message.content) for message in chat.asked[1][1:]] == [("user", "hello hello")]


async def test_an_answer_that_was_sent_can_still_be_cut_short(server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["One two three, four five."]
    async with talking(server) as talk:
        await talk.say(turn())
        said = (await talk.until("response.done")).response.output[0]
        await talk.say(loud())
        await talk.until("input_audio_buffer.speech_started")
        items = talk.connection.conversation.item
        await items.truncate(item_id=said.id, content_index=0, audio_end_ms=500)
        await talk.until("conversation.item.truncated")
        await items.retrieve(item_id=said.id)
        assert (await talk.until("conversation.item.retrieved")).item.content[0].transcript == "One two"


@pytest.mark.usefixtures("first_answer_held")
async def test_a_response_can_be_cancelled_once(server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["One two three, four five. Six seven."]
    async with talking(server) as talk:
        await talk.write("count")
        await talk.connection.response.create()
        created = await talk.until("response.created")
        await talk.until("response.output_audio.delta")
        await talk.connection.response.cancel(response_id=created.response.id)
        done = (await talk.until("response.done")).response
        assert (done.id, done.status_details.reason) == (created.response.id, "client_cancelled")
        await talk.connection.response.cancel()
        error = (await talk.until("error")).error
    assert error.code == "response_cancel_not_active"
    assert error.message.startswith("Cancellation failed")


async def test_a_text_turn_is_answered_in_text(server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["It is **noon**."]
    async with talking(server) as talk:
        session = await talk.update(output_modalities=["text"], instructions="Be brief.")
        assert (session.output_modalities, session.instructions) == (["text"], "Be brief.")
        await talk.write("What time is it?")
        done = await talk.answer()
    assert done.output[0].content[0].text == "It is **noon**."
    assert not talk.of("response.output_audio.delta")
    assert [message.content for message in chat.asked[0]] == ["Be brief.", "What time is it?"]


async def test_without_turn_detection_the_client_commits_and_asks(server: RunningServer) -> None:
    async with talking(server) as talk:
        session = await talk.update(audio={"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}})
        assert session.audio.input.turn_detection is None
        assert session.audio.input.transcription.model == "scripted-recognizer"  # who really hears
        await talk.say(turn())
        await talk.connection.input_audio_buffer.commit()
        committed = await talk.until("input_audio_buffer.committed")
        completed = await talk.until("conversation.item.input_audio_transcription.completed")
        assert (completed.item_id, completed.transcript) == (committed.item_id, "hello")
        assert completed.usage.seconds > 0.6
        assert not talk.of("response.created")
        await talk.say(loud())
        await talk.connection.input_audio_buffer.clear()
        await talk.until("input_audio_buffer.cleared")
        assert (await talk.answer()).status == "completed"
    assert not talk.of("input_audio_buffer.speech_started")


async def test_hints_log_probabilities_and_noise_reduction() -> None:
    recognizer = FakeAbleRecognizer()
    with serving(fake_engines(recognizer=recognizer)) as server:
        async with talking(server, intent="transcription") as talk:
            hints = {"prompt": "x", "keywords": ["Ada"], "languages": ["de", "fr"]}
            transcription = {"model": "gpt-live-transcribe", **hints}
            session = await talk.update(
                type="transcription",
                include=["item.input_audio_transcription.logprobs"],
                audio={"input": {"transcription": transcription, "noise_reduction": {"type": "near_field"}}},
            )
            assert session.audio.input.noise_reduction.type == "near_field"
            assert session.audio.input.transcription.keywords == ["Ada"]
            # The tone that stands for speech is a noise to the suppressor.
            await talk.update(type="transcription", audio={"input": {"noise_reduction": None}})
            await talk.say(turn())
            completed = await talk.until("conversation.item.input_audio_transcription.completed")
    assert completed.transcript == GERMAN
    assert [language.code for language in completed.languages] == ["de"]
    assert [(each.token, bytes(each.bytes).decode(), each.logprob) for each in completed.logprobs] == [
        (token.token, token.token, token.logprob) for token in LOGPROBS
    ]
    assert recognizer.asked[0].keywords == ("Ada",)


async def test_a_transcription_session_only_transcribes(server: RunningServer) -> None:
    async with talking(server, intent="transcription") as talk:
        assert talk.events[0].session.type == "transcription"
        await talk.say(turn())
        await talk.until("conversation.item.input_audio_transcription.completed")
        await talk.connection.response.create()
        assert "no responses" in (await talk.until("error")).error.message


async def test_words_bridge_the_wait_for_a_slow_tool(chat: ScriptedChatModel) -> None:
    chat.answers += [("get_weather", "{}"), "It snows."]
    tool = {"type": "function", "name": "get_weather", "description": "", "parameters": {"type": "object"}}
    with serving(fake_engines(chat), filler="One moment.", filler_after_ms=500) as server:
        async with talking(server) as talk:
            await talk.update(tools=[tool])
            await talk.say(turn())
            call = (await talk.until("response.done")).response.output[0]
            filler = (await talk.until("response.done")).response
            assert (filler.status, filler.output[0].content[0].transcript) == ("completed", "One moment.")
            item = {"type": "function_call_output", "call_id": call.call_id, "output": "snow"}
            await talk.connection.conversation.item.create(item=cast("Any", item))
            await talk.connection.response.create()
            answer = (await talk.until("response.done")).response
    assert answer.output[0].content[0].transcript == "It snows."
    assert not talk.of("error")
    assert [message.role for message in chat.asked[1]] == ["system", "user", "assistant", "tool"]


async def test_a_tool_call_and_its_output(server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += [("get_weather", '{"city": "Oslo"}'), "It snows."]
    tool = {"type": "function", "name": "get_weather", "description": "", "parameters": {"type": "object"}}
    async with talking(server) as talk:
        assert (await talk.update(tools=[tool])).tools[0].name == "get_weather"
        await talk.write("And in Oslo?")
        call = (await talk.answer()).output[0]
        assert (call.type, call.name, call.arguments) == ("function_call", "get_weather", '{"city": "Oslo"}')
        await talk.connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call.call_id, "output": "snow"}
        )
        done = await talk.answer()
    assert done.output[0].content[0].transcript == "It snows."
    called, returned = chat.asked[1][-2:]
    assert called.tool_calls[0].name == "get_weather"
    assert (returned.role, returned.content, returned.call_id) == ("tool", "snow", call.call_id)


async def test_a_response_out_of_the_conversation(server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["Sports.", "Hello."]
    async with talking(server) as talk:
        await talk.write("I like football.")
        item = (await talk.until("conversation.item.done")).item
        done = await talk.answer(
            conversation="none",
            output_modalities=["text"],
            metadata={"topic": "yes"},
            instructions="Name the topic.",
            input=[{"type": "item_reference", "id": item.id}],
        )
        assert (done.conversation_id, done.metadata) == (None, {"topic": "yes"})
        assert done.output[0].content[0].text == "Sports."
        await talk.answer()
    assert [message.content for message in chat.asked[0]] == ["Name the topic.", "I like football."]
    assert "Sports." not in [message.content for message in chat.asked[1]]


REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"type": "input_audio_buffer.commit"}, "input_audio_buffer_commit_empty", None),
    ({"type": "conversation.item.delete", "item_id": "none"}, "item_delete_invalid_item_id", "item_id"),
    ({"type": "conversation.item.retrieve", "item_id": "none"}, "item_retrieve_invalid_item_id", "item_id"),
    (
        {"type": "conversation.item.truncate", "item_id": "none", "content_index": 0, "audio_end_ms": 0},
        "item_truncate_invalid_item_id",
        "item_id",
    ),
    ({"type": "conversation.item.delete"}, "missing_required_parameter", "item_id"),
    ({"type": "conversation.item.explode"}, "invalid_value", "type"),
    ({"type": "response.create", "response": {"max_output_tokens": 0}}, "invalid_value", "response.max_output_tokens"),
    (
        {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"speed": 9}}}},
        "invalid_value",
        "session.audio.output.speed",
    ),
    (
        {
            "type": "session.update",
            "session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
        },
        "invalid_value",
        "session.audio.input.format.rate",
    ),
]


@pytest.mark.parametrize(("event", "code", "param"), REFUSED, ids=[code for _, code, _ in REFUSED])
async def test_a_refused_event_is_named_in_its_error(
    server: RunningServer, event: dict[str, Any], code: str, param: str | None
) -> None:
    async with talking(server) as talk:
        await talk.connection.send(cast("Any", {**event, "event_id": "mine"}))
        error = (await talk.until("error")).error
        assert (error.type, error.code, error.param) == ("invalid_request_error", code, param)
        assert error.event_id == "mine"
        await talk.update(instructions="The session goes on.")


@pytest.mark.usefixtures("first_answer_held")
async def test_a_second_response_is_refused_while_one_is_active(server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["One two three, four five. Six seven."]
    async with talking(server) as talk:
        await talk.connection.response.create()
        await talk.until("response.output_audio.delta")
        await talk.connection.response.create(event_id="second")
        error = (await talk.until("error")).error
        assert (error.code, error.event_id) == ("conversation_already_has_active_response", "second")
        await talk.connection.session.update(session={"type": "realtime", "audio": {"output": {"voice": "bell"}}})
        assert (await talk.until("error")).error.code == "cannot_update_voice"
        assert chat.hold
        server.loop.call_soon_threadsafe(chat.hold.set)
        assert (await talk.until("response.done")).response.status == "completed"


async def test_items_keep_their_ids_and_places(server: RunningServer, chat: ScriptedChatModel) -> None:
    def message(item_id: str) -> Any:
        content = [{"type": "input_text", "text": item_id}]
        return {"id": item_id, "type": "message", "role": "user", "content": content}

    async with talking(server) as talk:
        items = talk.connection.conversation.item
        places = []
        for item_id, place in [("second", None), ("fourth", None), ("first", "root"), ("third", "second")]:
            await items.create(item=message(item_id), **({"previous_item_id": place} if place else {}))
            places.append((await talk.until("conversation.item.done")).previous_item_id)
        assert places == [None, "second", None, "second"]
        await items.create(item=message("first"))
        assert (await talk.until("error")).error.code == "item_create_duplicate_item_id"
        await items.delete(item_id="fourth")
        assert (await talk.until("conversation.item.deleted")).item_id == "fourth"
        await items.retrieve(item_id="third")
        assert (await talk.until("conversation.item.retrieved")).item.content[0].text == "third"
        await talk.answer()
    assert [asked.content for asked in chat.asked[0][1:]] == ["first", "second", "third"]


async def test_extension_events_come_only_when_asked_for(server: RunningServer) -> None:
    async with talking(server) as talk:
        session = await talk.update(streamsrv={"events": ["transcription.partial"]})
        assert session.streamsrv == {"events": ["transcription.partial"]}
