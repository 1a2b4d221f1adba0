"""`streamsrv config`: shows the settings in force."""

import json
import os
from typing import Annotated

import typer

from streamsrv.cli.options import Assignments, ConfigFile, open_configuration

config = typer.Typer(help="Show the settings in force.", no_args_is_help=True)


@config.callback()
def group() -> None:
    """Show the settings in force."""


@config.command()
def show(
    file: ConfigFile = None,
    assignments: Assignments = None,
    changed: Annotated[bool, typer.Option("--changed", help="Leave out what has its default.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print each setting, where it came from and its value, with secrets hidden.

    The exit status is 2 if a setting is invalid, so that a service can check its settings before it starts.
    """
    from streamsrv.configuration.advice import advice
    from streamsrv.configuration.showing import to_rows, to_text

    configuration = open_configuration(file, assignments)
    for line in advice(configuration, os.environ):
        typer.echo(line, err=True)
    rows = to_rows(configuration, only_changed=changed)
    if as_json:
        path = configuration.file
        typer.echo(json.dumps({"file": path and str(path.absolute()), "settings": rows}, indent=2))
    elif rows:
        typer.echo(to_text(rows))
