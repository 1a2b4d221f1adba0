"""The settings as an object: their defaults, what is derived, and which values are refused."""

import math

import pytest
from pydantic import ValidationError

from streamsrv.settings import Settings
from streamsrv.web_addresses import is_loopback


def test_by_default_only_loopback_is_served():
    assert is_loopback(Settings().host)


def test_other_hosts_need_a_key():
    with pytest.raises(ValidationError, match="STREAMSRV_API_KEYS"):
        Settings(host="0.0.0.0")
    assert Settings(host="0.0.0.0", api_keys="a").host == "0.0.0.0"


def test_settings_are_read_from_nowhere_but_their_arguments(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STREAMSRV_PORT", "2")
    assert Settings().port == 8000


def test_keys_are_separated_by_commas_and_never_shown():
    settings = Settings(api_keys="sk-1, sk-2,")
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


@pytest.mark.parametrize("minutes", ["-1", "nan", "inf", "1e9", "an hour", True])
def test_a_session_limit_that_no_timer_takes_is_an_error(minutes: object):
    with pytest.raises(ValidationError, match="max_session_minutes"):
        Settings(max_session_minutes=minutes)


NUMBERS = [
    name
    for name, field in Settings.model_fields.items()
    if "int" in repr(field.annotation) or "float" in repr(field.annotation)
]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, True, "nan", "1e400", "9" * 5000])
@pytest.mark.parametrize("name", NUMBERS)
def test_no_number_is_accepted_that_is_none(name: str, value: object):
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: value})


@pytest.mark.parametrize("key", ["schlüssel", "sk-\u200b1", "sk\t1", "sk-\n1"])
def test_a_key_that_no_header_carries_is_refused_without_telling_it(key: str):
    with pytest.raises(ValidationError) as refused:
        Settings(api_keys=("sk-good", key))
    (error,) = refused.value.errors()
    assert "key 2 of 2" in error["msg"]
    assert key not in error["msg"]


@pytest.mark.parametrize(
    "origin",
    ["https://example.org", "http://localhost:3000", "http://[::1]:8080", "https://xn--bcher-kva.example", "*", "null",
     "http://example.org:443", "capacitor://localhost", "chrome-extension://abcdefgh"],
)  # fmt: skip
def test_an_origin_that_a_page_can_have_is_accepted(origin: str):
    assert Settings(allowed_origins=origin).allowed_origins == (origin,)


@pytest.mark.parametrize(
    ("origin", "meant"),
    [
        ("example.org", "https://example.org"),
        ("localhost:3000", "http://localhost:3000"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("https://example.org/", "https://example.org"),
        ("https://example.org/app?x=1#y", "https://example.org"),
        ("HTTPS://Example.org", "https://example.org"),
        ("https://example.org:443", "https://example.org"),
        ("http://example.org:80", "http://example.org"),
        ("https://ada:pw@example.org", "https://example.org"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://*.example.org", "the only wildcard is * alone"),
        ("https://", "no host"),
        ("https://example.org:port", "no address"),
        ("https://[::1", "no address"),
    ],
)
def test_an_origin_that_no_page_can_have_is_refused_with_what_is_meant(origin: str, meant: str):
    with pytest.raises(ValidationError) as refused:
        Settings(allowed_origins=f"https://good.example, {origin}")
    (error,) = refused.value.errors()
    assert meant in error["msg"]
    assert "good.example" not in error["msg"]


def test_an_empty_text_unsets_what_may_be_unset():
    settings = Settings(stun_server="", max_sessions_per_key="", turn_password="", model_folder="", secret_key="")
    assert settings == Settings()


@pytest.mark.parametrize("name", ["host", "port", "vad", "max_sessions", "speculative", "log_level"])
def test_an_empty_text_is_no_value_of_other_settings(name: str):
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: ""})
