"""The REST of recordings: `/v1/streamsrv/recordings`."""

from pathlib import Path

import httpx
import msgspec
import pytest

from serving import serving
from streamsrv.testing.fakes import fake_engines
from streamsrv.transports.telephony.recording import RecordingFacts
from streamsrv.transports.telephony.recordings import audio_of

FACTS = RecordingFacts("rtc_1", 1_700_000_000, "twilio", "inbound", "desk", "caller_1", 1.5, True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rtc_1.json").write_bytes(msgspec.json.encode(FACTS))
    audio_of(tmp_path, "rtc_1").write_bytes(b"RIFF")
    return tmp_path


def test_recordings_are_listed_fetched_and_deleted_with_an_api_key(folder: Path):
    with serving(fake_engines(), api_keys=["k"], recording_folder=folder) as server:
        url = f"{server.http_url}/streamsrv/recordings"
        assert httpx.get(url).status_code == 401
        with httpx.Client(headers={"Authorization": "Bearer k"}) as client:
            (found,) = client.get(url).json()["data"]
            assert found == {"object": "recording", **msgspec.to_builtins(FACTS)}
            fetched = client.get(f"{url}/rtc_1")
            assert (fetched.content, fetched.headers["content-type"]) == (b"RIFF", "audio/wav")
            assert client.delete(f"{url}/rtc_1").json()["deleted"] is True
            assert client.get(url).json()["data"] == []
            for method in ("GET", "DELETE"):
                refused = client.request(method, f"{url}/rtc_1")
                assert (refused.status_code, refused.json()["error"]["code"]) == (404, "recording_not_found")
        assert not list(folder.iterdir())


def test_a_server_that_records_nothing_has_an_empty_list():
    with serving(fake_engines()) as server:
        url = f"{server.http_url}/streamsrv/recordings"
        assert httpx.get(url).json() == {"object": "list", "data": []}
        assert httpx.get(f"{url}/rtc_1").status_code == 404
