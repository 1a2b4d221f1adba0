"""What speakers do to the text of their room, who may do it, and how often."""

import asyncio
import json

import pytest

from able_recognizer import FakeAbleRecognizer
from caption_viewer import CaptionedRecognizer, choose, speak, speaking, viewer
from rest import Answer, ask, post_json
from serving import RunningServer, serving
from streamsrv.captions import rooms
from streamsrv.captions.rooms import MAX_CHANGES
from streamsrv.http import qr_code
from streamsrv.testing.fakes import fake_engines
from wire import PATIENCE_S, wire

KEY = "sk-local-1"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
ROOM = "/streamsrv/captions"


@pytest.fixture(scope="module")
def server():
    with serving(fake_engines(recognizer=CaptionedRecognizer())) as running:
        yield running


async def correct(server: RunningServer, room: str, item_id: str, text: object, **headers: str) -> Answer:
    return await post_json(server, f"{ROOM}/{room}/corrections", {"item_id": item_id, "text": text}, headers)


async def file_of(server: RunningServer, room: str, kind: str) -> Answer:
    return await ask(server, "GET", f"{ROOM}/{room}/captions.{kind}")


async def test_a_correction_reaches_viewers_files_and_those_who_return(server):
    async with speaking(server, "fix") as client, viewer(server, "fix") as early:
        await speak(client)
        before = await early.until("final")
        answer = await correct(server, "fix", before["item_id"], " Hello, Ada. ")
        assert (answer.status, answer.json["text"], answer.json["corrected"]) == (200, "Hello, Ada.", True)
        after = await early.until("final")
        assert after == before | {
            "text": "Hello, Ada.",
            "corrected": True,
            "lines": [before["lines"][0] | {"text": "Hello, Ada."}],
        }
        async with viewer(server, "fix", {"Last-Event-ID": early.ids[0]}) as returning, viewer(server, "fix") as late:
            assert await returning.until("final") == await late.until("final") == after
        assert (await file_of(server, "fix", "txt")).body == b"Hello, Ada.\n"
        (caption,) = (await file_of(server, "fix", "json")).json["captions"]
        assert [word["word"] for word in caption["words"]] == ["Hello,", "Ada."]
        assert (await correct(server, "fix", before["item_id"], "")).json["text"] == ""
        assert (await early.until("final"))["text"] == ""
        assert (await file_of(server, "fix", "json")).json["captions"] == []


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"item_id": "nowhere", "text": "x"}, 404, "item_id"),
        ({"item_id": "", "text": "x"}, 400, "item_id"),
        ({"item_id": "a" * 257, "text": "x"}, 400, "item_id"),
        ({"item_id": "a"}, 400, "text"),
        ({"item_id": "a", "text": "x" * 5001}, 400, "text"),
        ({"item_id": "a", "text": "two\nlines"}, 400, "text"),
        ({"item_id": "a", "text": 7}, 400, "text"),
        ({"item_id": "a", "text": "x", "speaker": "me"}, 400, "speaker"),
        ({"item_id": "a", "text": "x" * 70_000}, 413, None),
        ([], 400, None),
    ],
)
async def test_a_correction_that_means_nothing(server, monkeypatch, body: object, status: int, param: str | None):
    monkeypatch.setattr(rooms, "CHANGES_PER_S", 1000.0)
    async with speaking(server, f"bad{id(body)}"):
        answer = await post_json(server, f"{ROOM}/bad{id(body)}/corrections", body)
    assert (answer.status, answer.error["param"]) == (status, param)


async def test_a_correction_in_no_room(server):
    answer = await correct(server, "nowhere", "a", "x")
    assert (answer.status, answer.error["code"]) == (404, "caption_room_not_found")


@pytest.mark.parametrize("path", ["..%2Fetc/corrections", "no.room/clear", f"{'a' * 65}/clear", "%00/clear"])
async def test_a_name_that_no_room_can_have_is_not_looked_for(server, path: str):
    assert (await ask(server, "POST", f"{ROOM}/{path}")).status == 404


async def test_a_flood_of_corrections_is_refused(server):
    async with speaking(server, "flood") as client, viewer(server, "flood") as reader:
        await speak(client)
        item_id = (await reader.until("final"))["item_id"]
        answers = [await correct(server, "flood", item_id, f"{number}") for number in range(MAX_CHANGES + 5)]
        assert [answer.status for answer in answers[:MAX_CHANGES]] == [200] * MAX_CHANGES
        assert (answers[-1].status, answers[-1].error["code"]) == (429, "rate_limit_exceeded")
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert (await ask(server, "POST", f"{ROOM}/flood/clear")).status == 429


async def test_clear_removes_what_was_said_and_what_is_being_said(server):
    async with speaking(server, "clear") as client, viewer(server, "clear") as reader:
        await speak(client)
        before = await reader.until("final")
        key = reader.received[0][1]["key"]
        answer = await ask(server, "POST", f"{ROOM}/clear/clear")
        assert (answer.status, answer.json["live"]) == (200, 1)
        assert (cleared := await reader.until("room"))["key"] == answer.json["key"] != key
        assert (await file_of(server, "clear", "json")).json["captions"] == []
        assert (await correct(server, "clear", before["item_id"], "back")).status == 404
        await speak(client)
        after = await reader.until("final")
        assert after["start"] < before["end"] + 5, "the room's time begins again"
        async with viewer(server, "clear", {"Last-Event-ID": reader.ids[0]}) as returning:
            assert await returning.until("room") == {**cleared, "cleared": [key]}
            assert await returning.until("final") == after


async def test_a_session_that_pauses_tells_the_viewers(server):
    async with speaking(server, "pause") as client, viewer(server, "pause") as reader:
        assert (await reader.until("room"))["paused"] == 0
        await choose(client, room="pause", paused=True)
        assert (await reader.until("room"))["paused"] == 1
        await choose(client, room="pause")
        assert (await reader.until("room"))["paused"] == 0


async def test_the_words_of_the_list_are_replaced_for_every_speaker_of_the_room(server):
    entries = [{"from": "hello bear", "to": "Hello Bob"}, {"from": "THERE", "to": "Ada"}]
    async with speaking(server, "list") as ann, speaking(server, "list") as bob, viewer(server, "list") as reader:
        await choose(ann, room="list", replacements=entries)
        await choose(bob, room="list", speaker="Bob")
        await speak(bob)
        partial = await reader.until("partial")
        assert (partial["stable"], partial["tentative"]) == ("", "Hello Bob")
        final = await reader.until("final")
        assert (final["text"], final["speaker"]) == ("Hello Ada.", "Bob")
        assert bob.received[-1]["transcript"] == "Hello there.", "the session's own transcript stays"
        assert b"Hello Ada." in (await file_of(server, "list", "vtt")).body
        await choose(ann, room="list", replacements=[])
        await speak(ann)
        assert (await reader.until("final"))["text"] == "Hello there."


PLACE = "session.streamsrv.captions.replacements"


@pytest.mark.parametrize(
    ("entries", "param"),
    [
        ([{"from": "a", "to": "b"}] * 2, f"{PLACE}[1].from"),
        ([{"from": str(number), "to": ""} for number in range(201)], PLACE),
        ([{"from": "a" * 81, "to": ""}], f"{PLACE}[0].from"),
        ([{"from": "", "to": ""}], f"{PLACE}[0].from"),
        ([{"from": "a", "to": "b" * 201}], f"{PLACE}[0].to"),
        ([{"from": "a", "to": "b\nc"}], f"{PLACE}[0].to"),
        ([{"from": "a"}], f"{PLACE}[0].to"),
        ([{"from": "a", "to": "b", "regex": True}], f"{PLACE}[0].regex"),
        (None, PLACE),
    ],
)
async def test_a_list_that_is_refused(server, entries: object, param: str):
    async with wire(f"{server.realtime_url}?intent=transcription") as client:
        await client.send("session.update", session={"streamsrv": {"captions": {"room": "r", "replacements": entries}}})
        assert (await client.error())["param"] == param


async def test_a_list_of_the_greatest_length_is_accepted(server):
    entries = [{"from": f"{number:080}", "to": "x" * 200, "match_case": True} for number in range(200)]
    async with wire(f"{server.realtime_url}?intent=transcription") as client:
        await choose(client, room="long", replacements=entries)
        assert client.received[-1]["session"]["streamsrv"]["captions"]["replacements"] == entries


async def test_the_speaker_is_told_how_many_watch_and_is_not_counted(server, monkeypatch):
    monkeypatch.setattr(rooms, "COUNT_S", 0.01)
    async with speaking(server, "watched"), viewer(server, "watched?speaker=1") as speaker:
        assert (await speaker.until("viewers"))["viewers"] == 0
        async with viewer(server, "watched") as one, viewer(server, "watched") as other:
            await one.until("room")
            await other.until("room")
            while (await speaker.until("viewers"))["viewers"] != 2:
                pass
            assert (await ask(server, "GET", f"{ROOM}/watched")).json["viewers"] == 2
        while (await speaker.until("viewers"))["viewers"]:
            pass


async def test_two_hundred_viewers_are_no_storm_of_events(server):
    """However they come and go, the speaker is told at most once in `COUNT_S`, and the viewers nothing."""
    async with speaking(server, "storm"), viewer(server, "storm?speaker=1") as speaker:
        await speaker.until("viewers")
        began_s = asyncio.get_running_loop().time()
        readers = [viewer(server, "storm") for _ in range(200)]
        watching = [await reader.__aenter__() for reader in readers]
        for reader in watching:
            await reader.until("room")
        while (count := (await speaker.until("viewers"))["viewers"]) != 200:
            assert count < 200
        told = [data for kind, data in speaker.received if kind == "viewers"]
        assert len(told) <= 2 + (asyncio.get_running_loop().time() - began_s) / rooms.COUNT_S
        assert all([kind for kind, _ in reader.received] == ["room"] for reader in watching)
        for reader in readers:
            await reader.__aexit__(None, None, None)


async def test_a_quiet_room_gets_heartbeats_for_its_speaker_too(server, monkeypatch):
    monkeypatch.setattr(rooms, "COUNT_S", 0.01)
    monkeypatch.setattr(rooms, "HEARTBEAT_S", 0.02)
    async with speaking(server, "quiet"), viewer(server, "quiet?speaker=1") as reader:
        while (await reader.next())[0] != "comment":
            pass


async def test_only_one_value_asks_for_a_speakers_stream(server):
    answer = await ask(server, "GET", f"{ROOM}/any/events?speaker=yes")
    assert (answer.status, answer.error["param"]) == (400, "speaker")


@pytest.fixture(scope="module")
def locked():
    with serving(fake_engines(recognizer=FakeAbleRecognizer()), api_keys=KEY, captions_public=True) as running:
        yield running


async def secret(server: RunningServer, room: str) -> str:
    session = {"type": "transcription", "streamsrv": {"captions": {"room": room}}}
    answer = await post_json(server, "/realtime/client_secrets", {"session": session}, AUTHORIZED)
    return answer.json["value"]


async def speakers_requests(server: RunningServer, room: str, headers: dict[str, str]) -> list[tuple[int, str]]:
    body = json.dumps({"item_id": "none", "text": "x"}).encode()
    answers = [
        await ask(server, "POST", f"{ROOM}/{room}/corrections", body, headers),
        await ask(server, "POST", f"{ROOM}/{room}/clear", b"", headers),
        await ask(server, "POST", f"{ROOM}/{room}/file", b"", headers),
    ]
    return [(answer.status, answer.error["code"] if answer.status >= 400 else "") for answer in answers]


async def test_a_reader_of_public_captions_changes_nothing(locked):
    async with speaking(locked, "public", additional_headers=AUTHORIZED):
        assert (await ask(locked, "GET", f"{ROOM}/public")).status == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            assert await speakers_requests(locked, "public", headers) == [(401, "invalid_api_key")] * 3
            assert (await ask(locked, "GET", f"{ROOM}/public/events?speaker=1", b"", headers)).status == 401
        assert await speakers_requests(locked, "public", AUTHORIZED) == [
            (404, "caption_not_found"), (200, ""), (415, "unsupported_media_type"),
        ]  # fmt: skip


async def test_a_client_secret_changes_its_own_room_while_its_session_speaks_there(locked):
    held = await secret(locked, "mine")
    headers = {"Authorization": f"Bearer {held}"}
    refused, file = (403, "caption_room_not_allowed"), (401, "invalid_api_key")
    assert await speakers_requests(locked, "mine", headers) == [refused, refused, file]
    async with speaking(locked, "other", additional_headers=AUTHORIZED):
        async with wire(locked.realtime_url, additional_headers=headers):
            async with asyncio.timeout(PATIENCE_S):
                while (await ask(locked, "GET", f"{ROOM}/mine")).status == 404:
                    pass
            assert await speakers_requests(locked, "mine", headers) == [(404, "caption_not_found"), (200, ""), file]
            assert await speakers_requests(locked, "other", headers) == [refused, refused, file]
            async with viewer(locked, "mine?speaker=1", headers) as reader:
                assert await reader.until("viewers") == {"viewers": 0}
            async with viewer(locked, "other?speaker=1", headers) as reader:
                assert reader.status == 403
        async with asyncio.timeout(PATIENCE_S):
            while (await ask(locked, "GET", f"{ROOM}/mine")).json["live"]:
                pass
    assert await speakers_requests(locked, "mine", headers) == [refused, refused, file]


async def test_without_keys_only_loopback_changes_captions(server):
    async with speaking(server, "home"):
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            assert (await ask(server, "POST", f"{ROOM}/home/clear", b"", headers)).status == 403


async def test_the_qr_code_is_the_address_of_the_page(locked):
    answer = await ask(locked, "GET", f"{ROOM}/hall/qr.svg")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert b"<script" not in answer.body
    assert b"style=" not in answer.body
    other = await ask(locked, "GET", f"{ROOM}/other/qr.svg")
    assert other.body != answer.body


@pytest.mark.parametrize("host", ["a b", "evil/..", "<svg>", "a@b", "", "x" * 300])
async def test_a_qr_code_has_the_address_of_no_strange_host(server, host: str):
    answer = await ask(server, "GET", f"{ROOM}/hall/qr.svg", b"", {"Host": host})
    assert answer.status == 400


async def test_pages_are_told_which_recognisers_take_keywords(locked):
    answer = await ask(locked, "GET", "/streamsrv/capabilities", b"", AUTHORIZED)
    facts = {each["name"]: (each["keywords"], each["prompt"]) for each in answer.json["recognizers"]}
    assert facts == {"fake-able": (True, True)}


async def test_qr_codes_are_drawn_one_at_a_time(server, monkeypatch):
    drawing, most = 0, 0

    def draw(address: str) -> bytes:
        nonlocal drawing, most
        drawing += 1
        most = max(most, drawing)
        svg = svg_of(address)
        drawing -= 1
        return svg

    svg_of = qr_code.svg_of
    monkeypatch.setattr(qr_code, "svg_of", draw)
    await asyncio.gather(*(ask(server, "GET", f"{ROOM}/qr{number}/qr.svg") for number in range(20)))
    assert most == 1


async def test_the_address_in_a_qr_code(monkeypatch):
    seen = []
    monkeypatch.setattr(qr_code, "svg_of", lambda address: seen.append(address) or b"<svg/>")
    with serving(fake_engines(), root_path="/voice") as server:
        await ask(server, "GET", f"{ROOM}/hall/qr.svg", b"", {"Host": "captions.example:8443"}, below="/voice/v1")
        await ask(server, "GET", f"{ROOM}/hall/qr.svg?next=//evil", b"", {"Host": "[::1]:80"})
    assert seen == ["http://captions.example:8443/voice/captions/hall", "http://[::1]:80/voice/captions/hall"]
