"""Captions over loopback: a speaker's session on one side, viewers with bare HTTP on the other."""

import asyncio
import json

import pytest

from able_recognizer import ENGLISH, GERMAN, FakeAbleRecognizer
from caption_viewer import CaptionedRecognizer, speak, speaking, viewer
from rest import ask
from serving import RunningServer, serving
from streamsrv.captions import rooms
from streamsrv.engines.asr.base import RecognizedUtterance
from streamsrv.testing.fakes import fake_engines
from wire import PATIENCE_S, quiet, wire

KEY = "sk-local-1"


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines(recognizer=CaptionedRecognizer())) as running:
        yield running


async def test_three_viewers_one_late_one_resuming(server):
    async with speaking(server, "hall") as client, viewer(server, "hall") as early:
        await speak(client)
        assert (await early.until("partial"))["tentative"] == "bear"
        assert (await early.until("final"))["text"] == "Hello there."
        async with viewer(server, "hall") as late:
            assert (await late.until("final"))["text"] == "Hello there."
        await speak(client)
        async with viewer(server, "hall", {"Last-Event-ID": early.ids[0]}) as resuming:
            second = await resuming.until("final")
            assert [kind for kind, _ in resuming.received].count("final") == 1
        assert second == await early.until("final")
        assert second["start"] > early.received[-3][1].get("start", 0)


async def test_the_times_are_those_of_the_words(server):
    async with speaking(server, "times") as client:
        await client.append(quiet(960))
        await speak(client)
        said = (await ask(server, "GET", "/streamsrv/captions/times/captions.json")).json["captions"][0]
        completed = client.received[-1]["streamsrv"]
        assert said["words"] == completed["words"]
        vtt = (await ask(server, "GET", "/streamsrv/captions/times/captions.vtt")).body.decode()
    # The recogniser hears from 640 ms on: 300 ms of padding before the speech, in whole frames of 32 ms.
    assert vtt == "WEBVTT\n\n00:00:00.960 --> 00:00:01.640\nHello there.\n\n"


@pytest.mark.parametrize(
    ("name", "content_type", "start"),
    [
        ("captions.vtt", "text/vtt; charset=utf-8", "WEBVTT\n\n00:00:0"),
        ("captions.srt", "application/x-subrip; charset=utf-8", "1\n00:00:0"),
        ("captions.txt", "text/plain; charset=utf-8", "Hello there.\n"),
        ("captions.json", "application/json", '{"room":"files",'),
    ],
)
async def test_what_was_said_can_be_downloaded(server, name: str, content_type: str, start: str):
    async with speaking(server, "files") as client:
        await speak(client)
    answer = await ask(server, "GET", f"/streamsrv/captions/files/{name}")
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    assert answer.body.decode().startswith(start)


async def test_a_viewer_that_does_not_read_delays_no_other(server):
    """Its socket is full; the other gets everything, and the slow one, when it reads on, all final texts."""
    async with (
        speaking(server, "slow") as client,
        viewer(server, "slow") as slow,
        viewer(server, "slow") as quick,
    ):
        await quick.until("room")
        opened = server.service.rooms.find("slow")
        long = "word " * 20_000
        for number in range(60):
            await on_loop(server, lambda n=number: flood(opened, n, long))
            await quick.until("final")
        await on_loop(server, lambda: flood(opened, 60, "The end."))
        assert (await quick.until("final"))["text"] == "The end."
        finals = 0
        while (await slow.until("final"))["text"] != "The end.":
            finals += 1
        assert finals == 60
        partials = [data for kind, data in slow.received if kind == "partial"]
        assert len(partials) < 60
        await speak(client)


def flood(opened: rooms.OpenRoom, number: int, text: str) -> None:
    """As many captions as a speaker would give in an hour, at once."""
    (speaker_id,) = opened.room._speakers
    for revision in range(5):
        opened.room.show(speaker_id, f"item{number}", "so far", str(revision), number * 1000, number * 1000, number)
        opened.news.notify()
    utterance = RecognizedUtterance(text, number * 1000, number * 1000 + 900)
    opened.room.settle(speaker_id, f"item{number}", utterance, number * 1000, number)
    opened.news.notify()


async def on_loop(server: RunningServer, work) -> None:
    """Run `work` on the server's loop."""

    async def run() -> None:
        work()

    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(run(), server.loop))


async def test_a_speaker_who_returns_continues_in_the_same_room(server):
    async with speaking(server, "again") as client:
        await speak(client)
    await server.without_sessions()
    async with viewer(server, "again") as watching:
        assert (await watching.until("room"))["live"] == 0
        async with speaking(server, "again") as client:
            assert (await watching.until("room"))["live"] == 1
            await speak(client)
        captions = (await ask(server, "GET", "/streamsrv/captions/again/captions.json")).json["captions"]
    assert [caption["text"] for caption in captions] == ["Hello there."] * 2
    assert captions[1]["start"] >= captions[0]["end"]


async def test_a_session_can_enter_a_room_later(server):
    async with wire(f"{server.realtime_url}?intent=transcription") as client:
        captions = {"room": "later", "title": "The keynote", "speaker": "Ann"}
        await client.send("session.update", session={"streamsrv": {"captions": captions}})
        assert (await client.until("session.updated"))["session"]["streamsrv"]["captions"] == captions
        status = (await ask(server, "GET", "/streamsrv/captions/later")).json
        assert (status["room"], status["title"], status["live"]) == ("later", "The keynote", 1)


async def test_a_quiet_room_gets_heartbeats(server, monkeypatch):
    monkeypatch.setattr(rooms, "HEARTBEAT_S", 0.01)
    async with speaking(server, "quiet"), viewer(server, "quiet") as watching:
        await watching.until("comment")


async def test_a_room_that_does_not_exist(server):
    answer = await ask(server, "GET", "/streamsrv/captions/nowhere/captions.vtt")
    assert (answer.status, answer.error["code"], answer.error["param"]) == (404, "caption_room_not_found", "room")


async def test_a_viewer_may_come_before_the_speaker(server):
    async with viewer(server, "early") as early:
        assert (await early.until("room")) == {
            "room": "early", "key": "", "title": "", "live": 0, "paused": 0, "kept": False, "cleared": [],
        }  # fmt: skip
        async with speaking(server, "early") as client:
            assert (await early.until("room"))["live"] == 1
            await speak(client)
            assert (await early.until("final"))["text"] == "Hello there."


async def test_a_name_that_no_room_can_have(server):
    assert (await ask(server, "GET", "/streamsrv/captions/no.room/events")).status == 404


async def test_a_format_that_does_not_exist(server):
    async with speaking(server, "formats"):
        answer = await ask(server, "GET", "/streamsrv/captions/formats/captions.doc")
    assert answer.status == 404
    assert answer.error["message"] == "Invalid format 'doc': accepted are vtt, srt, txt, json."


async def test_a_bad_room_name_is_refused_before_the_upgrade(server):
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus) as refused:
        async with speaking(server, "../etc"):
            pass
    error = json.loads(refused.value.response.body)["error"]
    assert refused.value.response.status_code == 400
    assert (error["code"], error["param"]) == ("invalid_value", "session.streamsrv.captions.room")


async def test_a_room_too_many_is_refused_and_the_session_lives_on():
    with serving(fake_engines(recognizer=CaptionedRecognizer()), caption_rooms=1) as server:
        async with speaking(server, "one"), speaking(server, "two") as client:
            assert (await client.error())["code"] == "caption_room_limit_reached"
            await speak(client)


async def test_a_viewer_too_many_is_refused():
    with serving(fake_engines(), caption_viewers=1) as server:
        async with speaking(server, "full"), viewer(server, "full") as first:
            await first.until("room")
            answer = await ask(server, "GET", "/streamsrv/captions/full/events")
            assert (answer.status, answer.error["code"]) == (503, "viewer_limit_reached")
            assert answer.headers["retry-after"] == "10"


async def test_a_viewer_who_leaves_leaves_nothing_behind(server):
    async with speaking(server, "gone") as client:
        await speak(client)
        tasks = await server.tasks()
        for _ in range(20):
            async with viewer(server, "gone") as watching:
                await watching.until("final")
        async with asyncio.timeout(PATIENCE_S):
            while await server.tasks() > tasks or server.service.rooms.viewers:
                pass


@pytest.mark.parametrize(("public", "status"), [(False, 401), (True, 200)])
async def test_reading_captions_with_api_keys_configured(public: bool, status: int):
    headers = {"Authorization": f"Bearer {KEY}"}
    with serving(fake_engines(), api_keys=KEY, captions_public=public) as server:
        async with speaking(server, "locked", additional_headers=headers):
            assert (await ask(server, "GET", "/streamsrv/captions/locked")).status == status
            assert (await ask(server, "GET", "/streamsrv/captions/locked", headers=headers)).status == 200


async def test_without_keys_only_loopback_reads_even_if_captions_are_public():
    with serving(fake_engines(), captions_public=True) as server:
        async with speaking(server, "home"):
            rebound = {"Host": "evil.example"}
            assert (await ask(server, "GET", "/streamsrv/captions/home", headers=rebound)).status == 403


async def test_viewers_are_counted(server):
    async with speaking(server, "counted"), viewer(server, "counted") as watching:
        await watching.until("room")
        assert b"streamsrv_caption_viewers 1.0" in server.service.metrics.exposition()


async def test_viewers_leave_when_the_server_stops():
    with serving(fake_engines()) as server:
        async with speaking(server, "bye"), viewer(server, "bye") as watching:
            await watching.until("room")
            await on_loop(server, server.service.rooms.stop)
            with pytest.raises(EOFError):
                await watching.until("final")


async def test_viewers_are_told_that_they_read_a_translation():
    with serving(fake_engines(recognizer=FakeAbleRecognizer())) as server:
        async with speaking(server, "hall") as client, viewer(server, "hall") as reader:
            await speak(client)
            assert "translated_to" not in await reader.until("final")
            captions = {"room": "hall", "speaker": "Ann", "translate": "en"}
            await client.send("session.update", session={"streamsrv": {"captions": captions}})
            await client.until("session.updated")
            await speak(client)
            assert (await reader.until("partial"))["translated_to"] == "en"
            final = await reader.until("final")
            assert (final["text"], final["translated_to"]) == (ENGLISH, "en")
        path = "/streamsrv/captions/hall/captions"
        vtt, srt, txt, kept = [await ask(server, "GET", f"{path}.{kind}") for kind in ("vtt", "srt", "txt", "json")]
    assert f"\n{GERMAN}\n" in vtt.body.decode()
    assert f"<v Ann>[translated] {ENGLISH}\n" in vtt.body.decode()
    assert f"Ann: [translated] {ENGLISH}\n" in srt.body.decode()
    assert txt.body.decode() == f"{GERMAN}\nAnn: [translated] {ENGLISH}\n"
    assert [caption.get("translated_to") for caption in kept.json["captions"]] == [None, "en"]
