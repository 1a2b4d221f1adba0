"""The `[[tool_server]]` tables of the settings, checked."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamsrv.web_addresses import is_unencrypted, url_problem, without_passwords

LABEL = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
"""Pattern of the label of a tool server."""
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
MAX_TIMEOUT_S = 600

Text = Annotated[str, Field(min_length=1, max_length=4096)]
Variable = Annotated[str, Field(pattern=VARIABLE)]


class ToolServerSettings(BaseModel):
    """One tool server of the operator: exactly one of `command`, `url` and `functions` says what it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    label: Annotated[str, Field(pattern=LABEL)]
    """Names the server in sessions, calls and the log."""
    command: tuple[Text, ...] = ()
    """Program and arguments of an MCP server that speaks over its standard input and output."""
    folder: Path | None = None
    """Working folder of the command; None: that of this server."""
    variables: tuple[Variable, ...] = ()
    """Names of environment variables of this server that the command gets, besides HOME, PATH and the like."""
    url: str = ""
    """Address of an MCP server that speaks Streamable HTTP."""
    key_variable: Annotated[str, Field(pattern=rf"{VARIABLE}|^$")] = ""
    """Name of the environment variable with the bearer token for the URL."""
    functions: tuple[Text, ...] = ()
    """Python functions: `package.module:function`, or the name of an entry point of the group `streamsrv.tools`."""
    allowed_tools: tuple[Text, ...] | None = None
    """The tools that may be used; None: all that the server lists."""
    require_approval: Literal["never", "always"] = "never"
    """Whether each call waits for the approval of the client."""
    timeout_s: Annotated[float, Field(gt=0, le=MAX_TIMEOUT_S)] = 20
    """Seconds after which a call or a listing has failed."""
    in_every_session: bool = True
    """Offer the tools in all sessions; else only in those that name the label in `session.tools`."""


_ACCEPTED = {
    "label": "letters, digits, - and _",
    "command": "a list of texts: the program and its arguments",
    "folder": "a folder",
    "variables": "a list of names of environment variables",
    "url": "an http or https address",
    "key_variable": "the name of an environment variable",
    "functions": "a list of texts: package.module:function, or names of entry points",
    "allowed_tools": "a list of names of tools",
    "require_approval": "never or always",
    "timeout_s": f"a number of seconds above 0, up to {MAX_TIMEOUT_S}",
    "in_every_session": "true or false",
}


def read_tool_servers(tables: object) -> tuple[ToolServerSettings, ...]:
    """Return the checked tables; raises `ValueError` that names the table, the field and its value."""
    if not isinstance(tables, list | tuple) or not all(
        isinstance(table, Mapping | ToolServerSettings) for table in cast("list[object]", tables)
    ):
        raise ValueError("is not a list of tables")
    held = cast("list[Mapping[str, Any] | ToolServerSettings]", tables)
    servers = tuple(table if isinstance(table, ToolServerSettings) else _read(table) for table in held)
    if twice := [label for label, count in Counter(server.label for server in servers).items() if count > 1]:
        raise ValueError(f"the label {twice[0]!r} is given twice")
    return servers


def _read(table: Mapping[str, Any]) -> ToolServerSettings:
    name = str(table.get("label", "(without label)"))[:64]
    try:
        server = ToolServerSettings.model_validate(table)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_context=False)[0]
        field = str(detail["loc"][0])
        if detail["type"] == "missing":
            raise ValueError(f"{name!r}: {field}: is missing") from None
        known = ", ".join(ToolServerSettings.model_fields)
        accepted = _ACCEPTED.get(field, f"the fields {known}")
        # A field that is not known, or ought to name a variable, may have been given a secret.
        may_be_secret = detail["type"] == "extra_forbidden" or field in ("variables", "key_variable")
        value = "" if may_be_secret else f" {without_passwords(str(table[field]))[:60]!r}"
        raise ValueError(f"{name!r}: {field}:{value} is not accepted, but {accepted}") from None
    given = [field for field in ("command", "url", "functions") if getattr(server, field)]
    if len(given) != 1:
        raise ValueError(f"{name!r}: has {' and '.join(given) or 'none'} of command, url and functions, not one")
    kind = given[0]
    for field, owner in (("folder", "command"), ("variables", "command"), ("key_variable", "url")):
        if getattr(server, field) and kind != owner:
            raise ValueError(f"{name!r}: {field} has no effect without {owner}")
    if server.url and (problem := url_problem(server.url)):
        raise ValueError(f"{name!r}: url: {without_passwords(server.url)!r} {problem}")
    if server.key_variable and is_unencrypted(server.url):
        raise ValueError(f"{name!r}: url: {server.url!r} would carry the key unencrypted; use https")
    return server
