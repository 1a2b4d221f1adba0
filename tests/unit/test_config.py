"""Settings."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from streamsrv.config import Settings, is_loopback


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_by_default_only_loopback_is_served():
    assert is_loopback(Settings().host)


def test_other_hosts_need_a_key():
    with pytest.raises(ValidationError, match="STREAMSRV_API_KEYS"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", api_keys="a").host == "0.0.0.0"


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "streamsrv.toml").write_text('port = 1\nmax_sessions = 7\nvad = "webrtc"\n')
    monkeypatch.setenv("STREAMSRV_PORT", "2")
    monkeypatch.setenv("STREAMSRV_MAX_SESSIONS", "8")
    settings = Settings(port=3)
    assert (settings.port, settings.max_sessions, settings.vad) == (3, 8, "webrtc")


def test_a_typo_in_the_file_is_an_error(tmp_path: Path):
    (tmp_path / "streamsrv.toml").write_text("prot = 1\n")
    with pytest.raises(ValidationError, match="prot"):
        Settings()


def test_models_in_the_file_are_left_to_the_catalogue(tmp_path: Path):
    (tmp_path / "streamsrv.toml").write_text('[[model]]\nname = "x"\n')
    assert Settings().model == ({"name": "x"},)


def test_keys_are_separated_by_commas_and_never_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STREAMSRV_API_KEYS", "sk-1, sk-2,")
    settings = Settings()
    assert [key.get_secret_value() for key in settings.api_keys] == ["sk-1", "sk-2"]
    assert "sk-1" not in repr(settings)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("localhost", True),
     ("a.localhost", True), ("0.0.0.0", False), ("192.168.1.2", False), ("localhost.evil.example", False), ("", False)],
)  # fmt: skip
def test_what_is_loopback(host: str, loopback: bool):
    assert is_loopback(host) is loopback


def test_conversations_end_after_an_hour_and_transcription_sessions_never():
    assert (Settings().max_session_minutes, Settings().max_transcription_minutes) == (60, 0)


@pytest.mark.parametrize("minutes", ["-1", "nan", "inf", "1e9", "an hour"])
def test_a_session_limit_that_no_timer_takes_is_an_error(minutes: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STREAMSRV_MAX_SESSION_MINUTES", minutes)
    with pytest.raises(ValidationError, match="max_session_minutes"):
        Settings()


@pytest.mark.parametrize("key", ["schlüssel", "sk-\u200b1", "sk\t1", "sk-\n1"])
def test_a_key_that_no_header_carries_is_refused_without_telling_it(key: str):
    with pytest.raises(ValidationError) as refused:
        Settings(api_keys=("sk-good", key))
    (error,) = refused.value.errors()
    assert "key 2 of 2" in error["msg"]
    assert key not in error["msg"]
