"""Options and messages that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from streamsrv.web_addresses import fits_in_header

if TYPE_CHECKING:
    from streamsrv.configuration.reading import Configuration

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Settings file.",
        show_default="STREAMSRV_CONFIG, else streamsrv.toml in this folder, the user's configuration folder or "
        "/etc/streamsrv",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set any setting; repeat it for more.", show_default=False),
]


def _sendable(key: str) -> str:
    """Return a key that an HTTP header can carry; its value is not told, as it may be secret in part."""
    key = key.strip()
    if not fits_in_header(key):
        raise typer.BadParameter("no HTTP header can carry it; accepted are printable ASCII characters.")
    return key


Key = Annotated[str, typer.Option(envvar="STREAMSRV_KEY", help="API key, if the server wants one.", callback=_sendable)]
Patience = Annotated[float, typer.Option(help="Seconds to wait for what is due.", min=1)]


def open_configuration(
    file: Path | None, assignments: list[str] | None, *, tells_warnings: bool = True, **flags: str | None
) -> "Configuration":
    """Read the settings; exit with status 2 and a line for each problem if they are invalid.

    `flags`: the values of own flags, by the name of the setting. Warnings go to the standard error stream.
    """
    from streamsrv.configuration.reading import ConfigurationError, read_configuration

    try:
        configuration = read_configuration(flags, assignments or (), file)
    except ConfigurationError as error:
        fail(str(error))
    if tells_warnings:
        for warning in configuration.warnings:
            typer.echo(warning, err=True)
    return configuration


def fail(message: str, status: int = 2) -> NoReturn:
    """Write the message to the standard error stream and end the command."""
    typer.echo(message, err=True)
    raise typer.Exit(status)
