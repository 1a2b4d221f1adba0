"""The `[[tool_server]]` tables and `tool_urls` of the settings, and which addresses they cover."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streamsrv.configuration.reading import ConfigurationError, read_configuration
from streamsrv.settings import Settings
from streamsrv.web_addresses import url_is_within

TABLE = '[[tool_server]]\nlabel = "files"\ncommand = ["server", "--flag"]\n'


def problem(tmp_path: Path, text: str) -> str:
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        read_configuration({}, (), file, {})
    (line,) = raised.value.problems
    return line


def test_a_table_is_read(tmp_path: Path):
    file = tmp_path / "s.toml"
    file.write_text(f'{TABLE}allowed_tools = ["read"]\nvariables = ["GITHUB_TOKEN"]\ntimeout_s = 5\n')
    (server,) = read_configuration({}, (), file, {}).settings.tool_server
    assert (server.label, server.command, server.allowed_tools) == ("files", ("server", "--flag"), ("read",))
    assert (server.require_approval, server.in_every_session) == ("never", True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[tool_server]]\ncommand = ["x"]', ["label: is missing"]),
        ('[[tool_server]]\nlabel = "a b"\ncommand = ["x"]', ["label", "'a b'", "letters, digits"]),
        ('[[tool_server]]\nlabel = "a"', ["'a'", "command, url and functions"]),
        (f'{TABLE}url = "https://x.example/mcp"', ["'files'", "command and url"]),
        (f"{TABLE}timeout_s = 0", ["'files'", "timeout_s", "'0'", "above 0"]),
        (f'{TABLE}require_approval = "sometimes"', ["require_approval", "'sometimes'", "never or always"]),
        (f'{TABLE}token = "sk-secret"', ["token", "is not accepted", "key_variable"]),
        (f'{TABLE}key_variable = "A_KEY"', ["key_variable has no effect without url"]),
        (f"{TABLE}{TABLE}", ["'files'", "twice"]),
        ('tool_server = "x"', ["tool_server", "list of tables", "docs/tools.md"]),
        ('[[tool_server]]\nlabel = "a"\nurl = "ftp://x/"', ["'ftp://x/'", "http or https"]),
        ('[[tool_server]]\nlabel = "a"\nurl = "http://x.example/"\nkey_variable = "K"', ["unencrypted", "https"]),
        ('tool_urls = ["x.example"]', ["tool_urls", "'x.example'", "http or https"]),
        ('tool_urls = "https://me:pw@x.example/"', ["tool_urls", "name or password"]),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, words: list[str]):
    line = problem(tmp_path, text)
    for word in words:
        assert word in line
    assert "sk-secret" not in line


def test_only_a_file_has_tables():
    with pytest.raises(ConfigurationError, match=r"tool_server: servers of tools are given only in a file"):
        read_configuration({}, ("tool_server=x",), None, {})
    with pytest.raises(ConfigurationError, match=r"tool_server: servers of tools are given only in a file"):
        read_configuration({}, (), None, {"STREAMSRV_TOOL_SERVER": "x"})


@pytest.mark.parametrize(
    ("url", "allowed", "is_within"),
    [
        ("https://x.example/mcp", "https://x.example/mcp", True),
        ("https://x.example/mcp?a=1", "https://x.example/mcp", True),
        ("https://X.example:443/mcp", "https://x.example/mcp", True),
        ("https://x.example/mcp/more", "https://x.example/mcp", False),
        ("https://x.example/mcp/more", "https://x.example/mcp/", True),
        ("https://x.example/", "https://x.example", True),
        ("https://x.example.evil.example/mcp", "https://x.example/", False),
        ("https://x.example@evil.example/mcp", "https://x.example/", False),
        ("http://x.example/mcp", "https://x.example/mcp", False),
        ("https://x.example:8443/mcp", "https://x.example/mcp", False),
        ("https://x.example/mcp/../secret", "https://x.example/mcp/", False),
        ("https://x.example/mcp/%2e%2e/secret", "https://x.example/mcp/", False),
        ("https://x.example\\@evil.example/", "https://x.example/", False),
        ("http://169.254.169.254/latest", "*", True),
        ("file:///etc/passwd", "*", False),
        ("http://[::1", "*", False),
    ],
)
def test_an_address_is_covered(url: str, allowed: str, is_within: bool):
    assert url_is_within(url, allowed) is is_within


def test_settings_take_addresses_as_a_text():
    assert Settings(tool_urls="https://a.example/mcp, *").tool_urls == ("https://a.example/mcp", "*")  # type: ignore[arg-type]


def test_nothing_is_allowed_by_default():
    values: dict[str, Any] = Settings().model_dump()
    assert (values["tool_server"], values["tool_urls"]) == ((), ())


def test_a_value_that_is_no_table_is_refused():
    with pytest.raises(ValidationError):
        Settings(tool_server=[1])  # type: ignore[list-item]
