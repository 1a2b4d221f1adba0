"""Checks of responses: their events, their options and how they end."""

from streamsrv.conformance.check import Checks
from streamsrv.conformance.session import Session, Target, opening
from streamsrv.conformance.shapes import Event
from streamsrv.conformance.violations import Inconclusive, require

checks = Checks("responses")

LONG = "Count from one to one hundred in words, without leaving any number out."


async def _text_session(session: Session) -> None:
    await session.update(output_modalities=["text"], audio={"input": {"turn_detection": None}})


def reason_of(response: Event) -> str | None:
    """Return the reason why a response was cancelled or is incomplete."""
    details: Event = response.get("status_details") or {}
    return details.get("reason")


def _text(response: Event) -> str:
    parts = [part for item in response["output"] for part in item.get("content", ())]
    return "".join(part.get("text") or part.get("transcript") or "" for part in parts)


@checks
async def written(target: Target) -> None:
    """A text response has all its events in order, text and usage."""
    async with opening(target) as session:
        await _text_session(session)
        await session.write("Say hello.")
        response = await session.respond()
        require(response["status"] == "completed", f"The response is {response['status']}.")
        require(_text(response).strip(), "The response has no text.")
        require(not session.all("response.output_audio.delta"), "A text response has audio.")
        usage: Event = response.get("usage") or {}
        require(usage.get("output_tokens"), f"The usage is {usage!r}.")


@checks
async def spoken(target: Target) -> None:
    """An audio response has audio in whole samples and a transcript."""
    async with opening(target) as session:
        await session.write("Say hello.")
        response = await session.respond()
        require(response["status"] == "completed", f"The response is {response['status']}.")
        require(_text(response).strip(), "The response has no transcript.")
        audio = session.audio()
        require(audio, "The response has no audio.")
        require(len(audio) % 2 == 0, f"The audio has {len(audio)} bytes, which are not whole samples.")


@checks
async def metadata_is_echoed(target: Target) -> None:
    """The metadata of response.create comes back in response.created and response.done."""
    async with opening(target) as session:
        await _text_session(session)
        await session.write("Say hello.")
        response = await session.respond(metadata={"topic": "check"})
        require(response["metadata"] == {"topic": "check"}, f"The metadata is {response['metadata']!r}.")


@checks
async def out_of_band(target: Target) -> None:
    """A response with `conversation: none` adds nothing to the conversation."""
    async with opening(target) as session:
        await _text_session(session)
        await session.write("Say hello.")
        before = len(session.all("conversation.item.added"))
        response = await session.respond(conversation="none", metadata={"out": "of band"})
        require(response["status"] == "completed", f"The response is {response['status']}.")
        require(response["conversation_id"] is None, f"conversation_id is {response['conversation_id']!r}, not null.")
        require(len(session.all("conversation.item.added")) == before, "The response added a conversation item.")


@checks
async def own_input(target: Target) -> None:
    """A response with its own `input` completes."""
    async with opening(target) as session:
        await _text_session(session)
        content = [{"type": "input_text", "text": "Say hello."}]
        own = [{"type": "message", "role": "user", "content": content}]
        response = await session.respond(conversation="none", input=own)
        require(response["status"] == "completed", f"The response is {response['status']}.")


@checks
async def one_at_a_time(target: Target) -> None:
    """A second response in the conversation is refused while one is in progress."""
    async with opening(target) as session:
        await _text_session(session)
        await session.write(LONG)
        await session.send("response.create")
        second = await session.send("response.create")
        event = await session.until("error", "response.done")
        if event["type"] == "response.done":
            raise Inconclusive("The first response was done before the second was asked for.")
        error = event["error"]
        require(error.get("event_id") == second, f"The error's event_id is {error.get('event_id')!r}.")
        code = error.get("code")
        require(code == "conversation_already_has_active_response", f"The code is {code!r}.")
        await session.until("response.done")


@checks
async def cancel(target: Target) -> None:
    """A cancelled response ends with the status cancelled and the reason client_cancelled."""
    async with opening(target) as session:
        await _text_session(session)
        await session.write(LONG)
        await session.send("response.create")
        await session.until("response.created")
        await session.send("response.cancel")
        event = await session.until("response.done", "error")
        if event["type"] == "error" or event["response"]["status"] == "completed":
            raise Inconclusive("The response was done before it was cancelled.")
        response = event["response"]
        require(response["status"] == "cancelled", f"The response is {response['status']}.")
        reason = reason_of(response)
        require(reason == "client_cancelled", f"The reason is {reason!r}.")


@checks
async def cancel_without_response(target: Target) -> None:
    """response.cancel without a response is refused with response_cancel_not_active."""
    async with opening(target) as session:
        error = await session.refused(await session.send("response.cancel"))
        require(error.get("code") == "response_cancel_not_active", f"The code is {error.get('code')!r}.")


@checks
async def token_limit(target: Target) -> None:
    """A response that reaches max_output_tokens is incomplete for that reason."""
    async with opening(target) as session:
        await _text_session(session)
        await session.write(LONG)
        response = await session.respond(max_output_tokens=5)
        if response["status"] == "completed":
            raise Inconclusive("The answer was no longer than the limit.")
        require(response["status"] == "incomplete", f"The response is {response['status']}.")
        reason = reason_of(response)
        require(reason == "max_output_tokens", f"The reason is {reason!r}.")


@checks
async def truncate(target: Target) -> None:
    """A spoken item can be truncated within its audio; a truncation beyond its end or of an unknown item is refused."""
    async with opening(target) as session:
        await session.write("Say hello.")
        response = await session.respond()
        item_id = response["output"][0]["id"]
        length_ms = len(session.audio()) // 48
        beyond = {"item_id": item_id, "content_index": 0, "audio_end_ms": length_ms + 5000}
        sent = await session.send("conversation.item.truncate", **beyond)
        await session.refused(sent, instead_of="conversation.item.truncated")
        within = {**beyond, "audio_end_ms": length_ms // 2}
        await session.send("conversation.item.truncate", **within)
        truncated = await session.until("conversation.item.truncated")
        require(truncated["audio_end_ms"] == length_ms // 2, f"audio_end_ms is {truncated['audio_end_ms']}.")
        await session.refused(await session.send("conversation.item.truncate", **{**within, "item_id": "item_nowhere"}))


@checks
async def function_call(target: Target) -> None:
    """A required function is called, and its output gets an answer."""
    place = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "name": "get_weather", "description": "The weather in a city.", "parameters": place}
    async with opening(target) as session:
        await _text_session(session)
        await session.update(output_modalities=["text"], tools=[tool], tool_choice="required")
        await session.write("What is the weather in Paris?")
        response = await session.respond()
        calls = [item for item in response["output"] if item["type"] == "function_call"]
        if not calls:
            raise Inconclusive("The model called no function.")
        require(calls[0]["call_id"], "The call has no call_id.")
        output = {"type": "function_call_output", "call_id": calls[0]["call_id"], "output": '{"weather": "sunny"}'}
        await session.send("conversation.item.create", item=output)
        await session.until("conversation.item.done")
        response = await session.respond(tool_choice="none")
        require(response["status"] == "completed", f"After the output the response is {response['status']}.")
