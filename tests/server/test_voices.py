"""`/v1/audio/voices`: what is listed, cloned and deleted, and who may use it. The synthesiser is a fake."""

import asyncio
import io
import json
import stat
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import pytest

from rest import HalfRequest, ask, form, loud, post_json, quiet, wav
from serving import RunningServer, serving
from streamsrv.audio.files import read_audio
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Voice
from streamsrv.http import voice_form
from streamsrv.testing.fakes import ToneSynthesizer, fake_engines
from wire import Wire, wire

KEY, OTHER = "sk-local-1", "sk-local-2"


class CloningFake(ToneSynthesizer):
    """Notes with which options it spoke; speaks as any voice, also as that of a recording, in tones."""

    voices = (Voice("tone", frozenset({"en", "de"}), "a tone", "female"), Voice("bell"))
    clones_voices = True

    def __init__(self) -> None:
        self.spoken: list[SpeechOptions] = []

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        self.spoken.append(options)
        async for chunk in super().stream(text, options):
            yield chunk


def bearer(key: str = KEY) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def fake() -> CloningFake:
    return CloningFake()


@pytest.fixture
def server(fake: CloningFake, tmp_path: Path):
    with serving(fake_engines(synthesizer=fake), api_keys=f"{KEY},{OTHER}", voice_folder=tmp_path / "kept") as running:
        yield running


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory):
    """A server for requests that are refused."""
    folder = tmp_path_factory.mktemp("voices")
    with serving(fake_engines(synthesizer=CloningFake()), api_keys=KEY, voice_folder=folder) as running:
        yield running


async def clone(server: RunningServer, sound: bytes | None = None, key: str = KEY, **changed: str):
    sound = wav(quiet(500), loud(7000), quiet(500)) if sound is None else sound
    fields = {"name": "Anna", "consent": "true", **changed}
    given = [(name, value) for name, value in fields.items() if value is not None]
    body, content_type = form(*given, file=sound, name="audio_sample")
    return await ask(server, "POST", "/audio/voices", body, {"Content-Type": content_type, **bearer(key)})


async def cloned(server: RunningServer, **changed) -> str:
    answer = await clone(server, **changed)
    assert answer.status == 200, answer.body
    return answer.json["id"]


async def answered(client: Wire) -> None:
    """Until the session has said an answer."""
    await client.send("response.create")
    assert (await client.until("response.done"))["response"]["status"] == "completed"


async def listed(server: RunningServer, key: str = KEY) -> list[str]:
    answer = await ask(server, "GET", "/audio/voices", headers=bearer(key))
    assert answer.json["object"] == "list"
    return [voice["id"] for voice in answer.json["data"]]


async def test_the_list_says_what_each_voice_is(server: RunningServer):
    tone, bell = (await ask(server, "GET", "/audio/voices", headers=bearer())).json["data"]
    assert {key: tone[key] for key in ("id", "object", "name", "type")} == {
        "id": "tone", "object": "audio.voice", "name": "tone", "type": "built_in",
    }  # fmt: skip
    facts = tone["streamsrv"]
    assert (facts["languages"], facts["gender"], facts["description"]) == (["de", "en"], "female", "a tone")
    assert (facts["is_default"], bell["streamsrv"]["is_default"]) == (True, False)
    assert (bell["streamsrv"]["languages"], bell["streamsrv"]["gender"]) == ([], None)
    assert (await ask(server, "GET", "/audio/voices/tone", headers=bearer())).json == tone


async def test_each_alias_means_the_voice_that_lists_it(server: RunningServer, fake: CloningFake):
    voices = (await ask(server, "GET", "/audio/voices", headers=bearer())).json["data"]
    aliases = {alias: voice["id"] for voice in voices for alias in voice["streamsrv"]["aliases"]}
    assert {"alloy", "marin", "onyx"} <= aliases.keys()
    for alias, name in aliases.items():
        spoken = await post_json(server, "/audio/speech", {"input": "Hello.", "voice": alias}, bearer())
        assert (spoken.status, fake.spoken[-1].voice) == (200, name)


async def test_a_voice_that_comes_while_the_server_runs_can_be_chosen(server: RunningServer, fake: CloningFake):
    fake.voices = (*fake.voices, Voice("gong"))
    server.service.renew_voices()
    spoken = await post_json(server, "/audio/speech", {"input": "Hello.", "voice": "gong"}, bearer())
    assert (spoken.status, fake.spoken[-1].voice) == (200, "gong")


async def test_a_voice_is_cloned_listed_used_and_deleted(server: RunningServer, fake: CloningFake):
    answer = await clone(server)
    made = answer.json
    assert (answer.status, made["object"], made["type"], made["name"]) == (200, "audio.voice", "audio_sample", "Anna")
    assert made["id"].startswith("voice_")
    assert made["streamsrv"]["seconds"] == pytest.approx(7.4, abs=0.1)
    assert (await ask(server, "GET", f"/audio/voices/{made['id']}", headers=bearer())).json == made
    assert await listed(server) == ["tone", "bell", made["id"]]
    for voice in (made["id"], {"id": made["id"]}, "Anna"):
        spoken = await post_json(server, "/audio/speech", {"input": "Hello.", "voice": voice}, bearer())
        assert (spoken.status, fake.spoken[-1].reference.id) == (200, made["id"])
    gone = await ask(server, "DELETE", f"/audio/voices/{made['id']}", headers=bearer())
    assert gone.json == {"id": made["id"], "object": "audio.voice.deleted", "deleted": True}
    assert await listed(server) == ["tone", "bell"]
    again = await ask(server, "DELETE", f"/audio/voices/{made['id']}", headers=bearer())
    assert (again.status, again.error["code"]) == (404, "voice_not_found")


async def test_a_cloned_voice_is_known_to_its_key_only(server: RunningServer):
    voice = await cloned(server)
    stranger = bearer(OTHER)
    assert voice not in await listed(server, OTHER)
    for method in ("GET", "DELETE"):
        theirs = await ask(server, method, f"/audio/voices/{voice}", headers=stranger)
        absent = await ask(server, method, "/audio/voices/voice_0", headers=stranger)
        assert (theirs.status, theirs.body) == (404, absent.body.replace(b"voice_0", voice.encode()))
    for name in (voice, "Anna"):
        refused = await post_json(server, "/audio/speech", {"input": "Hello.", "voice": name}, stranger)
        assert (refused.status, refused.error["param"]) == (400, "voice")
        assert voice not in refused.error["message"].partition("accepted")[2]
        secret = {"session": {"audio": {"output": {"voice": name}}}}
        assert (await post_json(server, "/realtime/client_secrets", secret, stranger)).status == 400
    async with wire(server.realtime_url, additional_headers=stranger) as client:
        await client.send("session.update", session={"type": "realtime", "audio": {"output": {"voice": voice}}})
        assert (await client.until("error"))["error"]["param"] == "session.audio.output.voice"
        await client.send("response.create", response={"audio": {"output": {"voice": voice}}})
        assert (await client.until("error"))["error"]["param"] == "response.audio.output.voice"
    assert voice in await listed(server)


async def test_a_session_of_the_key_and_of_its_secret_speaks_with_the_voice(server: RunningServer, fake: CloningFake):
    voice = await cloned(server)
    session = {"type": "realtime", "audio": {"output": {"voice": {"id": voice}}}}
    made = await post_json(server, "/realtime/client_secrets", {"session": session}, bearer())
    assert made.json["session"]["audio"]["output"]["voice"] == voice
    for key in (KEY, made.json["value"]):
        async with wire(server.realtime_url, additional_headers=bearer(key)) as client:
            if key == KEY:
                await client.send("session.update", session=session)
                await client.until("session.updated")
            await answered(client)
        assert fake.spoken[-1].reference.id == voice
        assert fake.spoken[-1].reference.recording.stat().st_size > 7 * 48_000
    async with wire(server.realtime_url, additional_headers=bearer()) as client:
        for name, used in (("Anna", voice), ("bell", "bell"), ("onyx", "tone")):
            await client.send("response.create", response={"audio": {"output": {"voice": name}}})
            assert (await client.until("response.done"))["response"]["audio"]["output"]["voice"] == used
            assert (fake.spoken[-1].voice, fake.spoken[-1].reference is None) == (used, used != voice)


async def test_a_voice_that_is_deleted_in_use_is_replaced_by_the_default_one(server: RunningServer, fake: CloningFake):
    voice = await cloned(server)
    async with wire(server.realtime_url, additional_headers=bearer()) as client:
        await client.send("session.update", session={"type": "realtime", "audio": {"output": {"voice": voice}}})
        await client.until("session.updated")
        await answered(client)
        assert fake.spoken[-1].reference.id == voice
        assert (await ask(server, "DELETE", f"/audio/voices/{voice}", headers=bearer())).status == 200
        await answered(client)
    assert (fake.spoken[-1].reference, fake.spoken[-1].voice) == (None, "tone")


async def test_voices_outlive_the_server_and_only_its_user_can_read_them(tmp_path: Path):
    folder = tmp_path / "kept"
    options = {"api_keys": f"{KEY},{OTHER}", "voice_folder": folder}
    with serving(fake_engines(synthesizer=CloningFake()), **options) as server:
        voice = await cloned(server)
    places = [folder, *folder.rglob("*")]
    assert {stat.S_IMODE(place.stat().st_mode) for place in places} == {0o700, 0o600}
    assert KEY not in (folder / voice / "voice.json").read_text()
    (folder / ".new-voice_1").mkdir()
    (folder / "voice_2").mkdir()
    (folder / "voice_2" / "voice.json").write_text("{")
    with serving(fake_engines(synthesizer=CloningFake()), **options) as server:
        assert await listed(server) == ["tone", "bell", voice]
        assert await listed(server, OTHER) == ["tone", "bell"]
        assert not (folder / ".new-voice_1").exists()
        assert (await ask(server, "DELETE", f"/audio/voices/{voice}", headers=bearer())).status == 200
    assert not (folder / voice).exists()
    assert (folder / "voice_2").exists()


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"consent": None}, "consent"),
        ({"consent": "false"}, "consent"),
        ({"consent": "cons_1234"}, "consent"),
        ({"name": None}, "name"),
        ({"name": " "}, "name"),
        ({"name": "a" * 257}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "tone"}, "name"),
        ({"name": "TONE"}, "name"),
        ({"name": "Alloy"}, "name"),
        ({"type": "prompt"}, "type"),
        ({"pitch": "high"}, "pitch"),
    ],
)
async def test_a_bad_field_is_named(strict: RunningServer, changed: dict[str, str], param: str):
    answer = await clone(strict, **changed)
    assert (answer.status, answer.error["param"]) == (400, param), answer.error
    assert await listed(strict) == ["tone", "bell"]


NOISE = np.random.default_rng(1).integers(-900, 900, 16_000 * 8).astype(np.int16)


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        (b"", "empty"),
        (b"not a sound at all" * 1000, "not in a known audio format"),
        (wav(loud(8000))[:40], "damaged"),
        (wav(quiet(8000)), "silent"),
        (wav(loud(3000), quiet(5000)), "too short: it has 3"),
        (wav(loud(31_000)), "too long: it has 31"),
        (wav(loud(125_000)), "longer than 120 seconds"),
        (wav(loud(2000), quiet(10_000), loud(2000)), "only 29% of the recording is speech"),
        (wav((loud(8000) // 200).astype(np.int16)), "too quiet"),
        (wav(NOISE), "no speech"),
        (wav(np.clip(loud(8000).astype(np.int32) * 6, -32768, 32767).astype(np.int16)), "clipped"),
    ],
    ids=["empty", "text", "header", "silence", "short", "long", "endless", "pauses", "quiet", "noise", "clipped"],
)
async def test_a_recording_that_makes_no_good_voice_is_refused_with_the_reason(strict: RunningServer, sound, said: str):
    answer = await clone(strict, sound)
    assert (answer.status, answer.error["param"]) == (400, "audio_sample")
    assert said in answer.error["message"]
    assert await listed(strict) == ["tone", "bell"]


async def test_500_mb_are_refused_before_they_are_sent(strict: RunningServer):
    headers = ["Content-Type: multipart/form-data; boundary=cut", f"Authorization: Bearer {KEY}"]
    request = await HalfRequest.begin(strict, "/audio/voices", 500_000_000, *headers)
    assert await request.status() == 413
    request.leave()
    endless = (b"x" * 65_536 for _ in range(500))
    chunked = {"Content-Type": "multipart/form-data; boundary=cut", **bearer()}
    head = form(file=b"", name="audio_sample")[0].partition(b"\r\n--cut--")[0]
    answer = await ask(strict, "POST", "/audio/voices", (head, *endless), chunked)
    assert (answer.status, answer.error["param"]) == (413, "audio_sample")


async def test_recordings_are_decoded_one_after_the_other(server: RunningServer, monkeypatch: pytest.MonkeyPatch):
    together, decode = threading.Barrier(2), voice_form._decode

    def decoded(*arguments):
        try:
            together.wait(0.2)
        except threading.BrokenBarrierError:
            return decode(*arguments)
        raise AssertionError("two are decoded at once")

    monkeypatch.setattr(voice_form, "_decode", decoded)
    async with asyncio.timeout(60):
        answers = await asyncio.gather(clone(server, name="One"), clone(server, name="Two"))
    assert [answer.status for answer in answers] == [200, 200]


async def test_a_key_has_as_many_voices_as_the_operator_allows(fake: CloningFake, tmp_path: Path):
    options = {"api_keys": f"{KEY},{OTHER}", "voice_folder": tmp_path, "max_voices_per_key": 2}
    with serving(fake_engines(synthesizer=fake), **options) as server:
        answers = await asyncio.gather(*(clone(server, name=f"Voice {number}") for number in range(4)))
        assert sorted(answer.status for answer in answers) == [200, 200, 400, 400]
        assert {a.error["code"] for a in answers if a.status == 400} == {"voice_limit_reached"}
        twice = await asyncio.gather(*(clone(server, key=OTHER) for _ in range(2)))
        assert sorted(answer.status for answer in twice) == [200, 400]


@pytest.mark.parametrize("why", ["no synthesiser", "the setting"])
async def test_a_server_that_clones_no_voices_says_so_at_once(why: str, tmp_path: Path):
    synthesizer = ToneSynthesizer() if why == "no synthesiser" else CloningFake()
    most = 0 if why == "the setting" else 5
    engines = fake_engines(synthesizer=synthesizer)
    with serving(engines, api_keys=KEY, voice_folder=tmp_path, max_voices_per_key=most) as server:
        answer = await clone(server)
        assert (answer.status, answer.error["code"]) == (400, "voice_cloning_unavailable")


async def test_a_cloned_voice_that_nobody_can_speak_with_now_is_listed_and_refused(tmp_path: Path):
    with serving(fake_engines(synthesizer=CloningFake()), api_keys=KEY, voice_folder=tmp_path) as server:
        voice = await cloned(server)
    with serving(fake_engines(), api_keys=KEY, voice_folder=tmp_path) as server:
        found = (await ask(server, "GET", f"/audio/voices/{voice}", headers=bearer())).json["streamsrv"]
        assert found["ready"] is False
        assert "cloned" in found["lacks"]
        refused = await post_json(server, "/audio/speech", {"input": "Hello.", "voice": voice}, bearer())
        assert (refused.status, refused.error["param"]) == (400, "voice")
        assert "no synthesiser" in refused.error["message"]


async def test_a_folder_that_cannot_be_written_is_a_clear_error(
    fake: CloningFake, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "file").write_text("")
    with serving(fake_engines(synthesizer=fake), api_keys=KEY, voice_folder=tmp_path / "file") as server:
        answer = await clone(server)
        assert (answer.status, answer.error["code"]) == (503, "engine_unavailable")
        assert "could not be stored" in answer.error["message"]
        assert f"cannot be stored in {tmp_path / 'file'}: " in caplog.text
        assert str(tmp_path) not in answer.error["message"]
        assert await listed(server) == ["tone", "bell"]


async def test_a_voice_of_a_synthesizer_is_not_deleted(strict: RunningServer):
    answer = await ask(strict, "DELETE", "/audio/voices/tone", headers=bearer())
    assert (answer.status, answer.error["code"]) == (403, "voice_not_deletable")
    assert json.loads((await ask(strict, "GET", "/audio/voices/tone", headers=bearer())).body)["id"] == "tone"


async def test_a_preview_is_a_sentence_in_the_voice_which_is_made_once(server: RunningServer, fake: CloningFake):
    voice = await cloned(server)
    for name in ("tone", "bell", voice):
        path = f"/audio/voices/{name}/preview"
        first, *others = await asyncio.gather(*(ask(server, "GET", path, headers=bearer()) for _ in range(3)))
        assert (first.status, first.headers["content-type"]) == (200, "audio/mpeg")
        assert (first.headers["content-language"], "private" in first.headers["cache-control"]) == ("en", True)
        assert len(read_audio(io.BytesIO(first.body), 24_000)) > 24_000
        assert [other.body for other in others] == [first.body, first.body]
    assert [options.voice for options in fake.spoken] == ["tone", "bell", voice]
    assert fake.spoken[-1].reference.id == voice
    german = await ask(server, "GET", "/audio/voices/tone/preview?language=German", headers=bearer())
    assert (german.status, fake.spoken[-1].language) == (200, "de")
    fast = await ask(server, "GET", "/audio/voices/tone/preview?speed=1.5", headers=bearer())
    assert (fast.status, fake.spoken[-1].speed) == (200, 1.5)
    await ask(server, "DELETE", f"/audio/voices/{voice}", headers=bearer())
    assert (await ask(server, "GET", f"/audio/voices/{voice}/preview", headers=bearer())).status == 404


@pytest.mark.parametrize(
    ("path", "status", "param"),
    [
        ("nobody/preview", 404, None),
        ("tone/preview?language=fr", 400, "language"),
        ("tone/preview?language=klingon", 400, "language"),
        ("bell/preview?language=klingon", 400, "language"),
        ("tone/preview?pitch=1", 400, "pitch"),
        ("tone/preview?speed=fast", 400, "speed"),
        ("tone/preview?speed=nan", 400, "speed"),
        ("tone/preview?speed=9", 400, "speed"),
        ("?pitch=1", 400, "pitch"),
    ],
)
async def test_a_preview_that_cannot_be_is_refused(strict: RunningServer, path: str, status: int, param: str | None):
    answer = await ask(strict, "GET", f"/audio/voices/{path}".replace("/?", "?"), headers=bearer())
    assert (answer.status, answer.error["param"]) == (status, param)


async def test_a_stranger_cannot_hear_the_preview_of_a_cloned_voice(server: RunningServer):
    voice = await cloned(server)
    assert (await ask(server, "GET", f"/audio/voices/{voice}/preview", headers=bearer())).status == 200
    assert (await ask(server, "GET", f"/audio/voices/{voice}/preview", headers=bearer(OTHER))).status == 404
