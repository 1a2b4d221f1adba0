"""Pictures in the messages of users: which are accepted, what the model gets, and what goes back to clients."""

import base64
import json

import pytest

from harness import Talk, error, event, of_type, types
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.effects import Effect, Generate
from streamsrv.engines.llm.base import Image, Message
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.images import MAX_IMAGE_BYTES, MAX_IMAGES, check_image_url

BEGINNINGS = {
    "png": b"\x89PNG\r\n\x1a\n",
    "jpeg": b"\xff\xd8\xff\xe0",
    "webp": b"RIFF\x10\x00\x00\x00WEBPVP8 ",
    "gif": b"GIF89a",
}


def url(kind: str = "png", content: bytes | None = None) -> str:
    data = BEGINNINGS[kind] + b"rest" if content is None else content
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def show(talk: Talk, *urls: str, text: str = "What is it?", role: str = "user") -> list[Effect]:
    parts = [{"type": "input_image", "image_url": each} for each in urls]
    content = [{"type": "input_text", "text": text}, *parts] if text else parts
    item = {"id": "i1", "type": "message", "role": role, "content": content}
    return talk.client(json.dumps({"type": "conversation.item.create", "item": item}))


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_pictures_of_each_kind_are_accepted(kind: str):
    check_image_url(url(kind), "x")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            "https://example.org/cat.png",
            r"begins with 'https://example.org/cat.png'; accepted is 'data:image/png",
        ),
        ("data:image/svg+xml;base64,AAAA", "accepted is"),
        ("data:image/png,AAAA", "accepted is"),
        ("", "it begins with ''"),
        ("data:image/png;base64,A*AA", "it is not base64"),
        ("data:image/png;base64,AAA", "it is not base64"),
        ("data:image/png;base64,", "its bytes are not those of image/png"),
        (url("png", BEGINNINGS["gif"]), "its bytes are not those of image/png"),
        (url("png", BEGINNINGS["png"] + bytes(MAX_IMAGE_BYTES)), f"at most {MAX_IMAGE_BYTES} are accepted"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_short_reason(given: str, reason: str):
    with pytest.raises(ProtocolError, match=reason) as refused:
        check_image_url(given, "item.content[0].image_url")
    assert refused.value.param == "item.content[0].image_url"
    assert len(refused.value.message) < 300


def test_the_model_gets_the_picture_and_clients_get_no_copy():
    talk = Talk()
    effects = show(talk, url(), url("gif"))
    assert event(effects, "conversation.item.added")["item"]["content"] == [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "detail": "auto"},
        {"type": "input_image", "detail": "auto"},
    ]
    talk.send("response.create")
    assert of_type(talk.all, Generate)[-1].messages[-1] == Message(
        "user", "What is it?", images=(Image(url()), Image(url("gif")))
    )


def test_a_picture_needs_no_words():
    talk = Talk()
    show(talk, url(), text="")
    talk.send("response.create")
    assert of_type(talk.all, Generate)[-1].messages[-1] == Message("user", "", images=(Image(url()),))


def test_a_picture_that_is_deleted_is_gone():
    talk = Talk()
    show(talk, url())
    talk.send("conversation.item.delete", item_id="i1")
    talk.send("response.create")
    assert not any(message.images for message in of_type(talk.all, Generate)[-1].messages)


@pytest.mark.parametrize(
    ("role", "urls", "param"),
    [
        ("user", [url("png", b"no")], "item.content[1].image_url"),
        ("system", [url()], "item.content[1].type"),
        ("user", [url()] * (MAX_IMAGES + 1), "item.content"),
    ],
)
def test_the_error_of_an_item_names_the_part(role: str, urls: list[str], param: str):
    refused = error(show(Talk(), *urls, role=role))
    assert (refused["code"], refused["param"]) == ("invalid_value", param)


def test_a_conversation_holds_a_bounded_amount_of_pictures():
    talk = Talk()
    large = url("png", BEGINNINGS["png"] + bytes(MAX_IMAGE_BYTES - 100))
    for number in range(20):
        part = {"type": "input_image", "image_url": large}
        item = {"id": f"i{number}", "type": "message", "role": "user", "content": [part]}
        effects = talk.send("conversation.item.create", item=item)
        if "error" in types(effects):
            break
    assert "no room for this picture" in error(effects)["message"]
    assert number == 4
    for item_id in ("i0", "i1"):
        talk.send("conversation.item.delete", item_id=item_id)
    assert event(show(talk, large), "conversation.item.added")


def test_a_server_without_a_model_that_sees_says_so():
    talk = Talk(capabilities=Capabilities(seeing_models=()))
    refused = error(show(talk, url()))
    assert (refused["code"], refused["param"]) == ("invalid_value", "item.content[1].type")
    assert "no language model of this server sees pictures" in refused["message"]
    part = {"type": "input_image", "image_url": url()}
    given = {"input": [{"type": "message", "role": "user", "content": [part]}]}
    refused = error(talk.send("response.create", response=given))
    assert refused["param"] == "response.input[0].content[0].type"
