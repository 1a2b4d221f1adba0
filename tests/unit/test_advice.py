"""Settings that are given in vain, or leave a hole, and how the operator is told."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from streamsrv.configuration.advice import advice
from streamsrv.configuration.reading import Configuration, read_configuration
from streamsrv.engines.selection import select_models


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str = "", *assignments: str, **flags: str) -> Configuration:
    file = Path("streamsrv.toml")
    file.write_text(text)
    return read_configuration(flags, assignments, file, {})


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (["turn_username=ada"], "flag --set: turn_username has no effect without turn_server"),
        (["turn_password=pw"], "turn_password has no effect without turn_server"),
        (["turn_server=turn:relay"], "turn_server is used without turn_username and turn_password"),
        (["turn_server=turn:relay", "turn_username=a"], "turn_server is used without turn_password"),
        (["captions_public=true"], "captions_public has no effect without api_keys"),
        (["max_sessions_per_key=2"], "max_sessions_per_key without api_keys limits all clients together"),
        (["max_requests_per_key=2"], "max_requests_per_key without api_keys limits all clients together"),
        (["responses_per_minute_per_key=2"], "without api_keys limits all clients together"),
        (["api_keys=a", "max_sessions_per_key=200"], "has no effect: it is 200, and max_sessions is 100"),
        (
            ["cost_warn_at=0.5"],
            "cost_warn_at has no effect without one of max_cost_per_session, max_cost_per_key_per_day",
        ),
        (["max_cost_per_session=5", "max_cost_per_day=1"], "has no effect: it is 5, and max_cost_per_day is 1"),
        (["max_cost_per_key_per_day=1"], "max_cost_per_key_per_day without api_keys limits all clients together"),
        (["api_keys=a", "max_requests_per_key=9"], "has no effect: it is 9, and max_requests is 8"),
        (["caption_rooms=0", "caption_keep_minutes=5"], "caption_keep_minutes has no effect while caption_rooms is 0"),
        (["chat=smollm2-135m", "chat_fallback=none"], "chat_fallback has no effect while chat is smollm2-135m"),
        (["allowed_origins=*, https://a.example"], "allowed_origins has '*'"),
        (["audiosocket_announced=true"], "audiosocket_announced has no effect without audiosocket_port"),
        (["audiosocket_peers=192.0.2.1"], "audiosocket_peers has no effect without audiosocket_port"),
        (["public_url=https://a.example"], "public_url has no effect without a [[phone_provider]] table"),
        (["recording_folder=calls"], "recording_folder has no effect: no [[phone_number]] table has record = true"),
    ],
)
def test_settings_that_have_no_effect_together_are_told_in_one_line(assignments: Sequence[str], said: str):
    (line,) = advice(read("", *assignments), {})
    assert said in line


@pytest.mark.parametrize(
    "assignments",
    [
        [],
        ["turn_server=turn:relay", "turn_username=ada", "turn_password=pw"],
        ["api_keys=a", "captions_public=true", "max_sessions_per_key=2", "max_requests_per_key=2"],
        ["captions_public=false", "turn_username=", "caption_rooms=0"],
        ["audiosocket_port=0", "audiosocket_announced=true", "audiosocket_peers=192.0.2.1"],
        ["secret_key=0123456789abcdef0123456789abcdef"],  # client secrets work without keys, too
    ],
)
def test_settings_that_go_together_are_not_remarked_on(assignments: Sequence[str]):
    assert advice(read("", *assignments), {}) == []


RETIRED = """
[[model]]
name = "{name}"
kind = "{kind}"
engine = "{engine}"
successor = "{successor}"
"""


def test_a_retired_model_is_served_by_its_successor_and_that_is_told():
    old = RETIRED.format(name="old", kind="recognizer", engine="moonshine", successor="moonshine-base")
    older = RETIRED.format(name="older", kind="chat", engine="openai_compatible", successor="smollm2-135m")
    configuration = read(old + older, "recognizer=old,moonshine-tiny", "chat=older")
    told = advice(configuration, {})
    assert told == [
        "flag --set: chat names older, which its provider has retired: smollm2-135m serves it",
        "flag --set: recognizer names old, which its provider has retired: moonshine-base serves it",
    ]
    selected = select_models(configuration.settings, configuration.catalogue, {})
    assert [entry.name for entry in selected.recognizers[""]] == ["moonshine-base", "moonshine-tiny"]
    assert selected.chat.entry.name == "smollm2-135m"


def test_the_key_of_a_client_is_not_taken_for_one_of_the_server():
    (line,) = advice(read(), {"STREAMSRV_KEY": "sk-1"})
    assert "STREAMSRV_API_KEYS" in line
    assert "sk-1" not in line
    assert advice(read(api_keys="a"), {"STREAMSRV_KEY": "sk-1"}) == []


def test_an_application_of_calls_without_a_secret_is_told():
    text = """
    [[phone_number]]
    numbers = ["*"]
    application = "https://example.org/webhook"
    application_secret_variable = "DESK_SECRET"
    """
    (line,) = advice(read(text), {})
    assert "DESK_SECRET has no secret" in line
    assert advice(read(text), {"DESK_SECRET": "whsec_AAAA"}) == []


def test_a_message_for_answering_machines_without_calls_out_is_told():
    text = '[[phone_number]]\nnumbers = ["*"]\nvoicemail = "Please call back."\n'
    (line,) = advice(read(text), {})
    assert "'any': voicemail has no effect: no [[phone_provider]] table has outbound = true" in line
