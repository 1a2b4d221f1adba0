"""Settings read from a file, variables and flags: which one wins, where each came from, and how mistakes are told."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from streamsrv.configuration.reading import Configuration, ConfigurationError, read_configuration
from streamsrv.configuration.showing import to_rows, to_text
from streamsrv.configuration.words import accepted_by, did_you_mean, without_secrets
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.selection import select_recognizers
from streamsrv.settings import Settings

MODEL = '[[model]]\nname = "mine"\nkind = "chat"\nengine = "openai_compatible"\n'


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and an empty configuration folder of the user."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    return folder


def read(
    text: str | bytes = "", *assignments: str, environ: Mapping[str, str] | None = None, **flags: str
) -> Configuration:
    path = Path("streamsrv.toml")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_configuration(flags, assignments, environ=environ or {})


def problems(text: str | bytes = "", *assignments: str, environ: Mapping[str, str] | None = None, **flags: str):
    with pytest.raises(ConfigurationError) as raised:
        read(text, *assignments, environ=environ, **flags)
    for line in raised.value.problems:
        assert "\n" not in line
        for internal in ("lax-or-strict", "^", "Input should", "Value error", "pydantic"):
            assert internal not in line
    return raised.value.problems


def problem(text: str | bytes = "", *assignments: str, environ: Mapping[str, str] | None = None, **flags: str) -> str:
    (line,) = problems(text, *assignments, environ=environ, **flags)
    return line


# --- where values come from -------------------------------------------------------------------------------------------


def test_flags_win_over_variables_and_these_over_the_file(workplace: Path):
    configuration = read(
        'port = 1\nmax_sessions = 7\nvad = "webrtc"\n',
        environ={"STREAMSRV_PORT": "2", "STREAMSRV_MAX_SESSIONS": "8", "HOME": "/"},
        port="3",
    )
    settings = configuration.settings
    assert (settings.port, settings.max_sessions, settings.vad, settings.max_requests) == (3, 8, "webrtc", 8)
    origins = [str(configuration.origin(name)) for name in ("port", "max_sessions", "vad", "max_requests")]
    assert origins == [
        "flag --port", "variable STREAMSRV_MAX_SESSIONS", f"file {workplace / 'streamsrv.toml'}", "default"
    ]  # fmt: skip


def test_every_setting_but_the_models_can_be_given_by_variable_and_by_set():
    given = {
        name: "false" if field.annotation is bool else {"log_level": "error", "log_format": "json"}.get(name, "")
        for name, field in Settings.model_fields.items()
        if name != "model" and (field.annotation is bool or name.startswith("log_"))
    }
    given |= {"port": "1", "api_keys": "a,b", "allowed_origins": "*", "max_audio_seconds": "2.5", "turn": "none"}
    by_variable = read(environ={f"STREAMSRV_{name.upper()}": value for name, value in given.items()})
    by_flag = read("", *(f"{name}={value}" for name, value in given.items()))
    assert by_variable.settings == by_flag.settings
    assert by_flag.settings.max_audio_seconds == 2.5
    assert (by_flag.settings.speculative, by_flag.settings.log_format) == (False, "json")


def test_an_assignment_may_contain_an_equals_sign():
    assert read("", "instructions=1 + 1 = 2").settings.instructions == "1 + 1 = 2"


def test_a_named_file_is_read_in_place_of_those_that_are_looked_for(tmp_path: Path):
    named, other = tmp_path / "named.toml", tmp_path / "other.toml"
    named.write_text(f"port = 5\n{MODEL}")
    other.write_text("max_sessions = 3\n")
    Path("streamsrv.toml").write_text("max_requests = 3\n")
    configuration = read_configuration(file=named, environ={"STREAMSRV_CONFIG": str(other)})
    assert configuration.file == named
    assert (configuration.settings.port, configuration.settings.max_requests) == (5, 8)
    assert configuration.catalogue["mine"].kind == "chat"
    assert read_configuration(environ={"STREAMSRV_CONFIG": str(other)}).settings.max_sessions == 3


def test_the_file_in_the_working_folder_is_read_before_the_users(tmp_path: Path):
    user = tmp_path / "user" / "streamsrv" / "streamsrv.toml"
    user.parent.mkdir(parents=True)
    user.write_text("port = 5\nmax_requests = 3\n")
    assert read_configuration(environ={}).file == user
    assert read("port = 6").settings.max_requests == 8


def test_a_file_may_begin_with_a_byte_order_mark():
    assert read(b"\xef\xbb\xbfport = 4\n").settings.port == 4


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_all_problems_are_told_at_once_each_with_its_source(workplace: Path):
    file = f"file {workplace / 'streamsrv.toml'}"
    lines = problems(
        'prot = 1\nmax_sessions = 0\nrecognizer = "silero"\n[[model]]\nname = "x"\n',
        "nonsense=1",
        environ={"STREAMSRV_MAX_REQUESTS": "many"},
        port="99999",
    )
    assert [line.split(";")[0] for line in lines] == [
        f"{file}: prot: there is no such setting",
        "flag --set: nonsense: there is no such setting",
        "flag --port: port: '99999'",
        f"{file}: max_sessions: 0",
        "variable STREAMSRV_MAX_REQUESTS: max_requests: 'many'",
        f"{file}: model 'x': kind: is missing",
        f"{file}: recognizer: 'silero' is a vad, not a recognizer",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "prot: there is no such setting; did you mean port?"),
        ("max-sessions = 1", "did you mean max_sessions"),
        ('api_key = "sk-1"', "did you mean api_keys"),
        ("[server]\nport = 1", "server: there is no such setting"),
        ("port = true", "port: True; accepted: a whole number from 0 to 65535"),
        ("port = 1.5", "port: 1.5; accepted: a whole number"),
        ("port = []", "port: []; accepted: a whole number"),
        ("port = 1979-05-27", "port: datetime.date(1979, 5, 27); accepted: a whole number"),
        ("max_session_minutes = nan", "max_session_minutes: nan; accepted: a number from 0 to 527040"),
        ("max_audio_seconds = 0", "accepted: a number above 0 to"),
        ("max_sessions_per_key = 0", "accepted: a whole number from 1 to 1000000000, or nothing"),
        ('speculative = "perhaps"', "speculative: 'perhaps'; accepted: true or false"),
        ("instructions = 5", "instructions: 5; accepted: a text"),
        ('host = ""', "host: ''; accepted: a host name or an IP address"),
        ('root_path = "voice"', "root_path: 'voice'; accepted: a path such as /voice"),
        ('secret_key = "s3cret"', "secret_key: (hidden); accepted: a text of 32 characters or more, or nothing"),
        ("api_keys = [1]", "api_keys: (hidden); accepted: keys, separated by commas"),
        ("turn_password = 7", "turn_password: (hidden); accepted: a text, or nothing"),
        ('webrtc_hosts = "1.2.3.4, nope"', "webrtc_hosts: 'nope'; accepted: IPv4 or IPv6 addresses"),
        ('trusted_proxies = "10.0.0.1/8"', "trusted_proxies: '10.0.0.1/8'; accepted: addresses and networks"),
        ('allowed_origins = "example.org"', "'example.org' matches no page: did you mean https://example.org?"),
        ('stun_server = "stun://stun.example"', "stun_server: 'stun://stun.example'; accepted: stun:host"),
        ('stun_server = "stun.example"', "stun_server: 'stun.example'; accepted: stun:host or stun:host:port"),
        ("max_cost_per_day = -1", "max_cost_per_day: -1; accepted: an amount in USD from 0 to 1000000000"),
        ('ledger = "mysql://a:pw@h/d"', "ledger: 'mysql://a:(hidden)@h/d'; accepted: auto, none, sqlite:///FILE or"),
        ('ledger = "postgresql://a:s3/cret@h:port/d"', "ledger: 'postgresql://h:port/d' has no valid port; accepted"),
        ('ledger = "postgresql://a:s3@cret@h/d"', "'postgresql://a:(hidden)@h/d' has more than one @; in a password"),
        ('ledger = "postgresql://h/d?application=x"', "the parameter 'application', and takes only host, port"),
        ('ledger = "postgresql://h/d?sslmode=on"', "sslmode='on', and takes only disable, allow, prefer, require"),
        ('ledger = "sqlite:///:memory:"', "'sqlite:///:memory:' would be lost with the server: 'none' keeps no ledger"),
        ('ledger = "sqlite:///a.db?mode=ro"', "'sqlite:///a.db?mode=ro' has parameters after '?', and"),
        ('chat_urls = { llama-4-scout = "http://a:s3cret@h:x/v1" }', "'http://a:(hidden)@h:x/v1' has no valid port"),
        ('tool_urls = "https://a:s3cret@h/"', "tool_urls: 'https://a:(hidden)@h/' holds a name or password"),
        ('tool_server = [{ label = "x", url = "https://a:s3cret@h/" }]', "url: 'https://a:(hidden)@h/' holds a name"),
        (
            'tool_server = [{ label = "x", url = "https://h/", key_variable = "s3cret-1" }]',
            "'x': key_variable: is not accepted, but the name of an environment variable",
        ),
        ('turn_server = "turn:ada:pw@relay"', "turn_server: 'turn:ada:(hidden)@relay'; accepted: turn:host"),
        ('log_level = "warn"', "log_level: 'warn'; did you mean warning?; accepted: debug, info, warning"),
        ('log_format = "xml"', "log_format: 'xml'; accepted: text, json"),
        ('model_folder = "~no-such-user/x"', "there is no such user"),
        ('model = "m"', "model: 'm'; accepted: [[model]] tables, with double brackets"),
        ('[model]\nname = "m"\noptions = {api_key = "sk-1"}', "accepted: [[model]] tables"),
        ('chat_fallback = "hibari"', "chat_fallback: 'hibari' is a synthesizer, not a chat; accepted: auto, none,"),
        ('vad = "none"', "vad: 'none'; accepted: silero, webrtc"),
        ('chat = "smolm2-135m"', "chat: 'smolm2-135m'; did you mean smollm2-135m?; accepted: auto, smollm2-135m"),
        ('recognizer = "silero"', "recognizer: 'silero' is a vad, not a recognizer; accepted: "),
        ('recognizer = ["moonshine-tiny", "silero"]', "recognizer: 'silero' is a vad, not a recognizer; accepted: "),
        ('recognizer = ["moonshine-tiny", "moonshine-tiny"]', "recognizer: 'moonshine-tiny' is named twice"),
        ('recognizer = ["moonshine-tiny", "none"]', "recognizer: 'none' turns recognition off, so it stands alone"),
        ("recognizer = []", "recognizer: []; accepted: names of models, separated by commas or as a list"),
        ("recognizer = 3", "recognizer: 3; accepted: names of models, separated by commas or as a list"),
        ('recognizer_by_language = "de"', "recognizer_by_language: 'de' has no models; accepted: names of models"),
        ('recognizer_by_language = ["de"]', "_by_language: ['de']; accepted: names of models by ISO 639-1 code"),
        ('recognizer_by_language = { de = "silero" }', "_by_language: de: 'silero' is a vad, not a"),
        ('recognizer_by_language = { de = "none" }', "recognizer_by_language: de: 'none'; accepted: "),
        ('recognizer_by_language = { German = "whisper-base" }', "'German'; accepted: an ISO 639-1 code, such as de"),
        ('recognizer_by_language = { de = "moonshine-tiny" }', "de: 'moonshine-tiny' does not know this language; it "),
        ("recognizer_memory = -1", "recognizer_memory: -1; accepted: a whole number from 0 to 1099511627776"),
        ('chat_urls = { llama = "http://x" }', "chat_urls: 'llama'; "),
        ('chat_urls = { "llama-4-scout" = "gpu-box:8000" }', "chat_urls: 'gpu-box:8000'; accepted: addresses of lang"),
        ('chat_urls = { smollm2-135m = "http://x" }', "chat_urls: 'smollm2-135m' runs in this server"),
        ('chat_urls = { silero = "http://x" }', "chat_urls: 'silero' is a vad, not a chat"),
        ('chat_urls = "llama-4-scout"', "chat_urls: 'llama-4-scout' has no address"),
        ("port = ", "not valid TOML: Invalid value"),
        ("[" * 5000, "not valid TOML"),
        ("port = " + "9" * 5000, "not valid TOML"),
        (b"# \n# \xff", "line 2 has the byte 0xff, which is not UTF-8"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_names_file_setting_value_and_what_is_accepted(
    text: str | bytes, said: str, workplace: Path
):
    line = problem(text)
    assert line.startswith(f"file {workplace / 'streamsrv.toml'}: ")
    assert said in line
    assert not [secret for secret in ("sk-1", "s3cret", "pw@") if secret in line]


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (["port"], "flag --set: 'port' has no value; accepted: --set name=value"),
        (["prot=1"], "flag --set: prot: there is no such setting; did you mean port?"),
        (["model=x"], "flag --set: model: models can only be added in a file"),
        (["port=1", "port=2"], "flag --set: port: is given twice, also by flag --set"),
        (["host=127.0.0.2"], "flag --set: host: is given twice, also by flag --host"),
    ],
)
def test_a_mistake_in_an_assignment_is_told(assignments: Sequence[str], said: str):
    assert problem("", *assignments, host="127.0.0.1").startswith(said)


def test_models_cannot_come_from_a_variable():
    said = problem(environ={"STREAMSRV_MODEL": "qwen"})
    assert said.startswith("variable STREAMSRV_MODEL: model: models can only be added in a file")


def test_a_server_without_a_key_for_other_machines_is_refused_only_if_the_file_can_be_read():
    assert problem("", host="0.0.0.0").startswith("flag --host: host: '0.0.0.0' is reachable from other machines")
    assert "not valid TOML" in problem("api_keys = [", host="0.0.0.0"), "the key may be in it"


@pytest.mark.parametrize(
    ("path", "said"),
    [("absent.toml", "there is no such file"), (".", "is a folder"), ("streamsrv.toml/x", "Not a directory"),
     ("a\0b", "null byte"), ("loop.toml", "symbolic links")],
)  # fmt: skip
def test_a_named_file_that_cannot_be_read_is_an_error(path: str, said: str):
    Path("streamsrv.toml").touch()
    Path("loop.toml").symlink_to("loop.toml")
    with pytest.raises(ConfigurationError) as raised:
        read_configuration(file=Path(path), environ={})
    assert said in str(raised.value)
    assert len(raised.value.problems) == 1


def test_a_file_that_is_looked_for_and_cannot_be_read_is_not_passed_over():
    Path("streamsrv.toml").symlink_to("absent.toml")
    with pytest.raises(ConfigurationError, match="no such file"):
        read_configuration(environ={})


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name not in ("model", "instructions")])
def test_every_setting_says_what_it_accepts_in_words(name: str):
    said = accepted_by(name)
    assert said
    assert not [mark for mark in ("Annotated", "typing", "^", "<class", "lax") if mark in said]


def test_a_setting_with_bytes_that_are_no_text_is_refused():
    assert "instructions" in problem(environ={"STREAMSRV_INSTRUCTIONS": "\udcff"})


# --- what is ignored --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("STREAMSRV_API_KEY", "did you mean STREAMSRV_API_KEYS"),
        ("STREAMSRV_RECOGNISER", "did you mean STREAMSRV_RECOGNIZER?"),
        ("streamsrv_port", "did you mean STREAMSRV_PORT?"),
        ("STREAMSRV_XYZZY", "variable STREAMSRV_XYZZY is ignored: it is no setting"),
        ("STREAMSRV_\udcff\n", "variable STREAMSRV_\\udcff\\n is ignored"),
    ],
)
def test_an_unknown_variable_is_told_without_its_value(variable: str, said: str):
    (warning,) = read(environ={variable: "sk-1"}).warnings
    assert said in warning
    assert "sk-1" not in warning


def test_variables_of_the_tools_are_known():
    names = ("STREAMSRV_CONFIG", "STREAMSRV_HUB", "STREAMSRV_KEY", "STREAMSRV_TESTS_OWN_LOOPBACK", "PATH")
    assert read(environ=dict.fromkeys(names, "")).warnings == ()


def test_variables_that_kubernetes_sets_for_a_service_are_told_in_one_line():
    configuration = read(
        environ={
            "STREAMSRV_PORT": "tcp://10.0.0.1:8000",
            "STREAMSRV_SERVICE_HOST": "10.0.0.1",
            "STREAMSRV_SERVICE_PORT": "8000",
            "STREAMSRV_SERVICE_PORT_HTTP": "8000",
            "STREAMSRV_PORT_8000_TCP": "tcp://10.0.0.1:8000",
            "STREAMSRV_PORT_8000_TCP_ADDR": "10.0.0.1",
            "STREAMSRV_WEB_SERVICE_HOST": "10.0.0.2",
            "STREAMSRV_WEB_PORT": "tcp://10.0.0.2:80",
        }
    )
    (warning,) = configuration.warnings
    assert "Kubernetes" in warning
    assert "enableServiceLinks: false" in warning
    assert configuration.settings.port == 8000


def test_what_is_ignored_is_told_beside_an_error():
    lines = problems("", environ={"STREAMSRV_API_KEY": "x", "STREAMSRV_HOST": "0.0.0.0"})
    assert ["STREAMSRV_API_KEYS" in line for line in lines] == [True, True]


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_what_is_shown_has_every_setting_and_no_secret(workplace: Path):
    text = (
        MODEL + 'options = { model = "m", base_url = "https://ada:s3cret@host/v1?key=s3cret", api_key = "s3cret", '
        'max_output_tokens = 5, headers = { Authorization = "Bearer s3cret", "X-Api-Key" = "s3cret" } }\n'
        'key_variable = "MY_KEY"\n'
    )
    configuration = read(text, "secret_key=" + "s3cret" * 9, "turn_password=s3cret", api_keys="s3cret, s3cret2")
    rows = to_rows(configuration)
    assert list(rows) == list(Settings.model_fields)
    assert "s3cret" not in json.dumps(rows) + to_text(rows)
    assert rows["api_keys"] == {"value": ["(hidden)", "(hidden)"], "from": "flag --api-keys"}
    assert rows["secret_key"]["value"] == "(hidden)"
    assert rows["port"] == {"value": 8000, "from": "default"}
    (model,) = rows["model"]["value"]
    assert (model["key_variable"], model["options"]["max_output_tokens"]) == ("MY_KEY", 5)
    assert model["options"]["base_url"] == "https://ada:(hidden)@host/v1?key=(hidden)"


def test_what_differs_from_the_default_can_be_shown_alone():
    rows = to_rows(read("port = 8000\nmax_sessions = 5"), only_changed=True)
    assert list(rows) == ["max_sessions"]


def test_the_table_has_a_line_for_each_setting():
    text = to_text(to_rows(read("", "instructions=two\nlines")))
    assert len(text.splitlines()) == len(Settings.model_fields)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"token": "a", "tokens": 3, "max_tokens": 4}, {"token": "(hidden)", "tokens": 3, "max_tokens": 4}),
        ({"password": ["a", "b"]}, {"password": ["(hidden)", "(hidden)"]}),
        ("redis://:pw@host", "redis://:(hidden)@host"),
        ("https://token@host/x", "https://(hidden)@host/x"),
        ("postgresql://ada:s3/cr:e@t@host/x", "postgresql://ada:(hidden)@host/x"),
        ("Basic YTpi", "Basic (hidden)"),
        ({"tokenizer": "bpe", "keyboard": "x"}, {"tokenizer": "bpe", "keyboard": "x"}),
        ("http://host:8080/a@b", "http://host:(hidden)@b"),
    ],
)
def test_secrets_are_hidden_wherever_they_are(value: object, shown: object):
    assert without_secrets(value) == shown


def test_near_names_ignore_case_and_hyphens():
    assert did_you_mean("Max-Sessions", ["max_sessions", "port"]) == "; did you mean max_sessions?"
    assert did_you_mean("xyz", ["max_sessions", "port"]) == ""


@pytest.mark.parametrize(
    ("given", "chain", "by_language"),
    [
        ({"recognizer": "whisper-base, moonshine-tiny"}, ("whisper-base", "moonshine-tiny"), {}),
        ({"recognizer": ["whisper-base"]}, ("whisper-base",), {}),
        (
            {"recognizer_by_language": "de=whisper-base,whisper-small; ko = vosk-ko"},
            ("moonshine-tiny",),
            {"de": ("whisper-base", "whisper-small"), "ko": ("vosk-ko",)},
        ),
        (
            {"recognizer_by_language": {"de": "whisper-base,whisper-small", "ko": ["vosk-ko"]}},
            ("moonshine-tiny",),
            {"de": ("whisper-base", "whisper-small"), "ko": ("vosk-ko",)},
        ),
        ({"recognizer_by_language": ""}, ("moonshine-tiny",), {}),
    ],
)
def test_recognisers_are_given_as_a_list_or_as_a_text(given: dict, chain: tuple[str, ...], by_language: dict):
    settings = Settings.model_validate(given)
    assert (settings.recognizer, settings.recognizer_by_language) == (chain, by_language)
    selected = select_recognizers(settings, load_catalogue())
    assert {code: tuple(entry.name for entry in entries) for code, entries in selected.items()} == {
        "": chain,
        **by_language,
    }
