"""The settings of telephone calls: `[[phone_number]]` and `[[phone_provider]]` tables, and `public_url`."""

from pathlib import Path

import pytest

from streamsrv.configuration.reading import Configuration, ConfigurationError, read_configuration
from streamsrv.configuration.showing import to_rows
from streamsrv.phone_provider_settings import may_call
from streamsrv.transports.telephony.lacking import what_calls_lack

NUMBER = '[[phone_number]]\nnumbers = ["+4930123"]\n'
TWILIO = '[[phone_provider]]\nname = "twilio"\naccount = "AC1"\nauth_token_variable = "TWILIO_AUTH_TOKEN"\n'


def read(tmp_path: Path, text: str) -> Configuration:
    file = tmp_path / "s.toml"
    file.write_text(text)
    return read_configuration({}, (), file, {})


def test_tables_are_read(tmp_path: Path):
    settings = read(tmp_path, f'public_url = "https://v.example/voice/"\n{NUMBER}{TWILIO}').settings
    assert settings.public_url == "https://v.example/voice"
    assert [number.agent_name for number in settings.phone_number] == ["+4930123"]
    assert [(provider.name, provider.outbound) for provider in settings.phone_provider] == [("twilio", False)]


def test_there_are_no_calls_by_default(tmp_path: Path):
    settings = read(tmp_path, "").settings
    assert (settings.public_url, settings.phone_number, settings.phone_provider) == (None, (), ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[phone_number]]\n", ["numbers: is missing"]),
        ("[[phone_number]]\nnumbers = []", ["numbers", "a list of numbers"]),
        ('[[phone_number]]\nnumbers = ["+49*30"]', ["'+49*30'", "not at its end"]),
        ('[[phone_number]]\nnumbers = [" "]', ["numbers", "no number"]),
        (f'{NUMBER}name = "a b"', ["name", "'a b'", "letters, digits"]),
        (f'{NUMBER}transfers = {{ desk = "the desk" }}', ["transfers", "desk", "'the desk'", "tel:"]),
        (f'{NUMBER}transfers = {{ desk = "sip:a<b>@c" }}', ["transfers", "desk", "sip:"]),
        (f"{NUMBER}silence_ms = -1", ["silence_ms", "-1", "600000"]),
        (f'{NUMBER}token = "s3cret"', ["token", "is not accepted", "greeting"]),
        (f'{NUMBER}application = "http://a.example/"', ["application", "https"]),
        (f'{NUMBER}application = "https://a.example/"', ["application", "application_secret_variable"]),
        (f'{NUMBER}application_secret_variable = "A"', ["no effect without application"]),
        (f'{NUMBER}tools = ["files"]', ["tools", "'files'", "[[tool_server]]"]),
        (f"{NUMBER}{NUMBER}", ["'+4930123'", "given twice"]),
        (f'{NUMBER}name = "a"\n{NUMBER}name = "b"', ["4930123", "given twice"]),
        (f'{NUMBER}providers = ["skype"]', ["providers", "skype", "twilio"]),
        (f"{NUMBER}record = true", ["'+4930123'", "record", "recording_folder"]),
        (f"{NUMBER}voice = 3", ["voice: 3 is not accepted", "a text"]),
        (f"{TWILIO}detect_machines = false", ["detect_machines has no effect without outbound"]),
        (f"{TWILIO}outbound_per_minute = 10", ["outbound_per_minute has no effect without outbound"]),
        ("[[phone_provider]]\n", ["name: is missing", "twilio, telnyx"]),
        ('[[phone_provider]]\nname = "skype"', ["'skype'", "no provider", "twilio"]),
        (f'{TWILIO}auth_token = "s3cret"', ["auth_token", "auth_token_variable"]),
        (
            '[[phone_provider]]\nname = "twilio"\nauth_token_variable = "s3cret-1"',
            ["the name of an environment variable"],
        ),
        (f'{TWILIO}public_key = "s3cret"', ["public_key", "is not accepted"]),
        (f"{TWILIO}{TWILIO}", ["'twilio'", "given twice"]),
        (f"{TWILIO}outbound = true", ["outbound", "needs outbound_to and outbound_from"]),
        (f'{TWILIO}outbound_to = ["+49*"]', ["outbound_to has no effect"]),
        (f'{TWILIO}outbound = true\noutbound_to = ["*"]', ["outbound_to", "+49*"]),
        (f'{TWILIO}api_url = "http://api.example"', ["api_url", "https"]),
        ('public_url = "http://v.example"', ["public_url", "not encrypted"]),
        ('public_url = "v.example"', ["public_url", "not an http or https address"]),
        ('public_url = "https://v.example/?a=1"', ["public_url", "query"]),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, words: list[str]):
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, text)
    (line,) = raised.value.problems
    for word in words:
        assert word in line
    assert "s3cret" not in line


@pytest.mark.parametrize("name", ["phone_number", "phone_provider"])
def test_only_a_file_has_tables(name: str):
    with pytest.raises(ConfigurationError, match=rf"{name}: .* are given only in a file"):
        read_configuration({}, (f"{name}=x",), None, {})


def test_an_agent_may_use_a_tool_server_that_there_is(tmp_path: Path):
    tools = '[[tool_server]]\nlabel = "files"\ncommand = ["x"]\nin_every_session = false\n'
    assert read(tmp_path, f'{NUMBER}tools = ["files"]\n{tools}').settings.phone_number[0].tools == ("files",)


def test_the_variables_of_secrets_are_shown_and_nothing_else_of_them(tmp_path: Path):
    rows = to_rows(read(tmp_path, TWILIO), only_changed=True)
    assert rows["phone_provider"]["value"][0]["auth_token_variable"] == "TWILIO_AUTH_TOKEN"


@pytest.mark.parametrize(
    ("number", "allowed"),
    [("+4930123", True), ("+491", True), ("+43123", True), ("+431234", False), ("+1900", False), ("0049", False)],
)
def test_only_allowed_numbers_may_be_called(tmp_path: Path, number: str, allowed: bool):
    text = f'{TWILIO}outbound = true\noutbound_to = ["+49*", "+43123"]\noutbound_from = ["+4930123"]\n'
    (provider,) = read(tmp_path, text).settings.phone_provider
    assert may_call(provider, number) is allowed


def test_what_calls_lack_is_told(tmp_path: Path):
    settings = read(tmp_path, TWILIO).settings
    told = dict.fromkeys(detail for _, detail in what_calls_lack(settings, {}))
    assert [detail for detail in told if "public_url" in detail]
    assert [detail for detail in told if "TWILIO_AUTH_TOKEN (auth_token_variable) is not set" in detail]
    assert [detail for detail in told if "[[phone_number]]" in detail]
    whole = read(tmp_path, f'public_url = "https://v.example"\n{NUMBER}{TWILIO}').settings
    assert what_calls_lack(whole, {"TWILIO_AUTH_TOKEN": "x"}) == []
    assert what_calls_lack(read(tmp_path, "").settings, {}) == []
