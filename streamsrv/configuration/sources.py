"""Takes the values of settings out of a file, the environment and the command line, each with where it came from."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_config_path

from streamsrv.configuration.words import did_you_mean
from streamsrv.settings import Settings

FILE_NAME = "streamsrv.toml"
PREFIX = "STREAMSRV_"
FILE_VARIABLE = "STREAMSRV_CONFIG"
OTHER_VARIABLES = (FILE_VARIABLE, "STREAMSRV_HUB", "STREAMSRV_KEY")
"""Variables of commands and tests that are no settings. `STREAMSRV_KEY` is the key of a client (`talk`)."""
TESTS_PREFIX = "STREAMSRV_TESTS_"
FILE_ONLY = ("model", "tool_server", "phone_number", "phone_provider", "sip_endpoint")
"""The settings that only a file can give, because they are lists of tables."""
_TABLES = {
    "tool_server": "servers of tools",
    "phone_number": "those who answer telephone calls",
    "phone_provider": "providers of telephone calls",
    "sip_endpoint": "addresses for SIP",
}

_FROM_KUBERNETES = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_KUBERNETES_PORT = re.compile(rf"{PREFIX}(\w+_)?PORT=(tcp|udp|sctp)://.*")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from; `name` is the path of the file, or the name of the variable or the flag."""

    kind: Literal["default", "file", "variable", "flag"]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


@dataclass(frozen=True, slots=True)
class Given:
    """A value that was given for a setting, not validated yet."""

    value: object
    origin: Origin


@dataclass(slots=True)
class Layer:
    """What one source gives: values by setting, what is wrong with it, and what in it is ignored."""

    given: dict[str, Given] = field(default_factory=dict[str, Given])
    problems: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])


def find_file(named: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the settings file: the one named, else that of `STREAMSRV_CONFIG`, which both need not exist.

    Without a name the first that exists is taken: `streamsrv.toml` in the working folder, in the user's configuration
    folder, or in /etc/streamsrv.
    """
    if named is not None:
        return named
    if environ.get(FILE_VARIABLE):
        return Path(environ[FILE_VARIABLE])
    folders = (Path(), user_config_path("streamsrv"), Path("/etc/streamsrv"))
    return next((folder / FILE_NAME for folder in folders if _exists(folder / FILE_NAME)), None)


def _exists(path: Path) -> bool:
    """Whether there is something of that name; True also if that cannot be seen, so that it is told later."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read_file(path: Path) -> Layer:
    """Read the values of a TOML file."""
    origin = Origin("file", str(path.absolute()))
    text, problem = _read_text(path)
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        values, problem = {}, f"not valid TOML: {' '.join(str(error).split())}"
    layer = Layer(problems=[f"{origin}: {problem}"] if problem else [])
    for name, value in values.items():
        if name in Settings.model_fields:
            layer.given[name] = Given(value, origin)
        else:
            layer.problems.append(f"{origin}: {unknown_setting(name)}")
    return layer


def _read_text(path: Path) -> tuple[str, str]:
    """Return the text of a file and, if it cannot be read, why."""
    try:
        return path.read_bytes().decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return (
            "",
            f"line {line} has the byte 0x{error.object[error.start]:02x}, which is not UTF-8; accepted: TOML in UTF-8",
        )
    except IsADirectoryError:
        return "", "is a folder; accepted: a TOML file"
    except FileNotFoundError:
        return "", "there is no such file"
    except (OSError, ValueError) as error:
        return "", f"cannot be read: {getattr(error, 'strerror', None) or error}"


def read_variables(environ: Mapping[str, str]) -> Layer:
    """Take the settings out of the variables `STREAMSRV_...`; others of that prefix are ignored with a warning."""
    layer = Layer()
    known = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
    kubernetes: list[str] = []
    for variable, value in environ.items():
        if not variable.upper().startswith(PREFIX) or variable in OTHER_VARIABLES or variable.startswith(TESTS_PREFIX):
            continue
        if _FROM_KUBERNETES.fullmatch(variable) or _KUBERNETES_PORT.fullmatch(f"{variable}={value}"):
            kubernetes.append(variable)
        elif known.get(variable) in FILE_ONLY:
            layer.problems.append(f"variable {variable}: {only_in_a_file(known[variable])}")
        elif variable in known:
            layer.given[known[variable]] = Given(value, Origin("variable", variable))
        else:
            near = did_you_mean(variable, (*known, *OTHER_VARIABLES), PREFIX)
            layer.warnings.append(f"variable {_printable(variable)} is ignored: it is no setting{near}")
    if kubernetes:
        layer.warnings.append(
            f"variables of Kubernetes are ignored: {', '.join(sorted(kubernetes))}; it sets them for a service whose "
            "name begins with 'streamsrv', unless the pod has enableServiceLinks: false"
        )
    return layer


def read_flags(flags: Mapping[str, str | None], assignments: Sequence[str]) -> Layer:
    """Take settings from own flags, by setting (None: not given), and from `--set name=value`."""
    layer = Layer()
    for name, value in flags.items():
        if value is not None:
            layer.given[name] = Given(value, Origin("flag", f"--{name.replace('_', '-')}"))
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        name, flag = name.strip(), Origin("flag", "--set")
        if not equals:
            hint = did_you_mean(name, Settings.model_fields)
            layer.problems.append(f"{flag}: {_printable(name)!r} has no value; accepted: --set name=value{hint}")
        elif name in FILE_ONLY:
            layer.problems.append(f"{flag}: {only_in_a_file(name)}")
        elif name not in Settings.model_fields:
            layer.problems.append(f"{flag}: {unknown_setting(name)}")
        elif name in layer.given:
            layer.problems.append(f"{flag}: {name}: is given twice, also by {layer.given[name].origin}")
        else:
            layer.given[name] = Given(value, flag)
    return layer


def unknown_setting(name: str) -> str:
    """Return the message for a name that is no setting. The value is left out: it may be a secret."""
    near = did_you_mean(name, Settings.model_fields)
    return f"{_printable(name)}: there is no such setting{near or '; `streamsrv config show` lists all'}"


def only_in_a_file(name: str) -> str:
    """Return the message for tables that are not given in a file."""
    if name in _TABLES:
        return f"{name}: {_TABLES[name]} are given only in a file ({FILE_NAME}, or --config FILE), as [[{name}]] tables"
    return (
        f"{name}: models can only be added in a file ({FILE_NAME}, or --config FILE), as [[model]] tables; "
        "a model is chosen with chat, recognizer, synthesizer, vad or turn"
    )


def _printable(name: str) -> str:
    return name if name.isprintable() else repr(name)[1:-1]
