"""Options and messages that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from streamsrv.engines.catalogue import Catalogue

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Configuration file.", show_default="streamsrv.toml in this folder, if there is one"),
]


def open_catalogue(config: Path | None) -> "Catalogue":
    """Load the catalogue with the models of the configuration file; exit with status 2 if the file is invalid."""
    from streamsrv.engines.catalogue import CatalogueError, load_catalogue

    here = Path("streamsrv.toml")
    try:
        return load_catalogue(config or (here if here.exists() else None))
    except CatalogueError as error:
        fail(str(error))


def fail(message: str, status: int = 2) -> NoReturn:
    """Write the message to the standard error stream and end the command."""
    typer.echo(message, err=True)
    raise typer.Exit(status)
