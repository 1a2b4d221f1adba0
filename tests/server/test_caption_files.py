"""Recordings that are captioned in a room, faster than they would play."""

import asyncio
import json

import pytest

from able_recognizer import ENGLISH, FakeAbleRecognizer
from caption_viewer import CaptionedRecognizer, choose, speaking, viewer
from rest import PATIENCE_S, Answer, HalfRequest, ask, form, loud, post_form, quiet, wav, without_requests
from serving import RunningServer, serving
from streamsrv.errors import Unavailable
from streamsrv.testing.fakes import ScriptedRecognizer, fake_engines

ROOM = "/streamsrv/captions"
TWICE = wav(quiet(500), loud(1000), quiet(1500), loud(500), quiet(1000))
KEY = {"Authorization": "Bearer sk-local-1"}


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines(recognizer=CaptionedRecognizer())) as running:
        yield running


async def caption(server: RunningServer, room: str, *fields: tuple[str, str], file: bytes | None = TWICE) -> Answer:
    return await post_form(server, f"{ROOM}/{room}/file", *fields, file=file)


async def captions(server: RunningServer, room: str) -> list[dict]:
    return (await ask(server, "GET", f"{ROOM}/{room}/captions.json")).json["captions"]


async def test_the_captions_of_a_file_have_the_times_of_the_file(server):
    async with viewer(server, "film") as reader:
        answer = await caption(server, "film", ("speaker", "Ann"), ("title", "A film"))
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.events == [
            {"type": "captions.file.started", "duration": 4.5, "offset": 0.0},
            {"type": "captions.file.progress", "seconds": 2.208, "duration": 4.5},
            {"type": "captions.file.progress", "seconds": 4.224, "duration": 4.5},
            {"type": "captions.file.done", "seconds": 4.5, "duration": 4.5, "captions": 2},
        ]
        first, second = await reader.until("final"), await reader.until("final")
        assert (first["start"], first["end"], first["speaker"]) == (0.16, 2.208, "Ann")
        assert (second["start"], second["text"]) == (2.656, "Hello there.")
        while (await reader.until("room"))["live"]:
            pass
    assert [said["start"] for said in await captions(server, "film")] == [0.16, 2.656]
    assert (await ask(server, "GET", f"{ROOM}/film")).json["title"] == "A film"


async def test_a_second_file_comes_after_the_first(server):
    assert (await caption(server, "two")).events[0]["offset"] == 0
    assert (await caption(server, "two")).events[0]["offset"] >= 4.224
    assert [said["start"] for said in await captions(server, "two")][2] >= 4.224


async def test_the_words_of_the_rooms_list_are_replaced(server):
    async with speaking(server, "list") as client:
        await choose(client, room="list", replacements=[{"from": "hello", "to": "Bye"}])
        await caption(server, "list")
    assert [said["text"] for said in await captions(server, "list")] == ["Bye there."] * 2


@pytest.mark.parametrize(
    ("fields", "file", "status", "param"),
    [
        ([], None, 400, "file"),
        ([], b"", 400, "file"),
        ([], b"this is no sound", 400, "file"),
        ([("speaker", "x" * 81)], TWICE, 400, "speaker"),
        ([("title", "x" * 201)], TWICE, 400, "title"),
        ([("translate", "fr")], TWICE, 400, "translate"),
        ([("translate", "en")], TWICE, 400, "translate"),
        ([("keywords[]", "Ada")], TWICE, 400, "keywords"),
        ([("language", "xx-nowhere")], TWICE, 400, "language"),
        ([("response_format", "srt")], TWICE, 400, "response_format"),
        ([("model", "no-such")], TWICE, 400, "model"),
    ],
)
async def test_what_is_refused_opens_no_room(server, fields: list, file: bytes | None, status: int, param: str):
    answer = await caption(server, "refused", *fields, file=file)
    assert (answer.status, answer.error["param"]) == (status, param)
    assert (await ask(server, "GET", f"{ROOM}/refused")).status == 404


async def test_a_body_that_is_no_form(server):
    assert (await ask(server, "POST", f"{ROOM}/raw/file", TWICE, {"Content-Type": "audio/wav"})).status == 415


async def test_the_bounds_of_other_recordings_are_those_of_files():
    with serving(fake_engines(), max_audio_seconds=1, max_upload_bytes=200_000, caption_rooms=1) as server:
        answer = await caption(server, "long")
        assert (answer.status, answer.error["param"]) == (400, "file")
        assert (await caption(server, "large", file=wav(quiet(8000)))).status == 413
        async with speaking(server, "one"):
            await asyncio.sleep(0)
            answer = await caption(server, "two", file=wav(loud(500)))
            assert (answer.status, answer.error["code"]) == (400, "caption_room_limit_reached")
            assert answer.error["param"] == "room"


async def test_a_recogniser_that_can_is_asked_to_translate_and_given_keywords():
    recognizer = FakeAbleRecognizer()
    with serving(fake_engines(recognizer=recognizer)) as server:
        await caption(server, "able", ("translate", "en"), ("keywords[]", "Ada"), ("language", "de"), ("prompt", "Hi"))
        (first, _) = await captions(server, "able")
    assert (first["text"], first["translated_to"]) == (ENGLISH, "en")
    options = recognizer.asked[-1]
    assert (options.keywords, options.language, options.prompt) == (("Ada",), "de", "Hi")


class HeldRecognizer(ScriptedRecognizer):
    """A fake whose second utterance is final only when `go` is called, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("Hello there.")
        self.opened = 0
        self.error = error
        self.go = lambda: None

    def open(self, options):
        self.opened += 1
        if self.opened == 2 and self.error is not None:
            raise self.error
        stream = super().open(options)
        if self.opened == 2:
            self.go, stream.finish = stream.finish, lambda: None
        return stream


async def begun(server: RunningServer, room: str) -> HalfRequest:
    """A request whose file has been captioned as far as its first utterance."""
    body, content_type = form(file=TWICE)
    request = await HalfRequest.begin(server, f"{ROOM}/{room}/file", len(body), f"Content-Type: {content_type}")
    await request.send(body)
    async with viewer(server, room) as reader:
        await reader.until("final")
    return request


async def test_a_client_that_leaves_cancels_and_what_was_captioned_stays():
    with serving(fake_engines(recognizer=HeldRecognizer())) as server:
        request = await begun(server, "left")
        assert (await ask(server, "GET", f"{ROOM}/left")).json["live"] == 1
        again = await caption(server, "left")
        assert (again.status, again.error["code"]) == (409, "caption_file_in_progress")
        request.leave()
        await without_requests(server)
        assert (await ask(server, "GET", f"{ROOM}/left")).json["live"] == 0
        assert len(await captions(server, "left")) == 1
        assert (await caption(server, "left")).events[-1]["captions"] == 2


async def test_a_file_goes_on_after_the_room_is_cleared():
    recognizer = HeldRecognizer()
    with serving(fake_engines(recognizer=recognizer)) as server:
        request = await begun(server, "cleared")
        assert (await ask(server, "POST", f"{ROOM}/cleared/clear")).status == 200
        server.loop.call_soon_threadsafe(recognizer.go)
        await without_requests(server)
        assert [said["start"] for said in await captions(server, "cleared")] == [2.656]
        request.leave()


async def test_a_recogniser_that_fails_ends_the_stream_with_its_error():
    with serving(fake_engines(recognizer=HeldRecognizer(Unavailable("It is gone.")))) as server:
        events = (await caption(server, "failed")).events
        assert events[1]["type"] == "captions.file.progress"
        assert events[-1]["error"]["code"] == "engine_unavailable"
        assert (await ask(server, "GET", f"{ROOM}/failed")).json["live"] == 0


async def test_a_file_waits_while_live_sessions_wait_for_a_model(server, monkeypatch):
    waited = asyncio.Event()
    loop = asyncio.get_running_loop()

    def age(_) -> float:
        loop.call_soon_threadsafe(waited.set)
        return 1.0 if busy else 0.0

    busy = True
    monkeypatch.setattr(type(server.service.engines.scheduler), "queue_age_s", property(age))
    work = asyncio.create_task(caption(server, "polite"))
    async with asyncio.timeout(PATIENCE_S):
        await waited.wait()
        async with viewer(server, "polite") as reader:
            await reader.until("final")
    assert not work.done()
    assert len(await captions(server, "polite")) == 1
    busy = False
    assert (await work).events[-1]["captions"] == 2


async def test_the_limits_of_requests_are_those_of_files():
    recognizer = HeldRecognizer()
    with serving(fake_engines(recognizer=recognizer), max_requests=1) as server:
        request = await begun(server, "first")
        answer = await caption(server, "second")
        assert (answer.status, answer.error["code"]) == (503, "request_limit_reached")
        request.leave()
        await without_requests(server)


async def test_a_file_needs_a_key():
    with serving(fake_engines(), api_keys="sk-local-1", captions_public=True) as server:
        assert (await caption(server, "locked")).status == 401
        body, content_type = form(file=TWICE)
        answer = await ask(server, "POST", f"{ROOM}/locked/file", body, {**KEY, "Content-Type": content_type})
        assert answer.status == 200
        assert json.loads(answer.body.split(b"\n\n")[0].removeprefix(b"data: "))["duration"] == 4.5
