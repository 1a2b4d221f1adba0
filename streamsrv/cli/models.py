"""`streamsrv models`: lists which models can run here, and what is missing for the others."""

import json
from typing import Annotated

import typer

from streamsrv.cli.options import Assignments, ConfigFile, open_configuration


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """List the models of the catalogue with their states.

    A model is called ready if its packages can be imported and its weights are right; doctor --load also runs it.
    """
    from streamsrv.engines.readiness.survey import survey
    from streamsrv.engines.weights.store import ModelStore

    configuration = open_configuration(config, assignments)
    catalogue = configuration.catalogue
    found = survey(catalogue.entries(), catalogue, ModelStore(configuration.settings.model_folder))
    states = [(entry, found[entry.name]) for entry in catalogue.entries()]
    if as_json:
        rows = [
            {
                "name": entry.name,
                "kind": entry.kind,
                "engine": entry.engine,
                "description": entry.description,
                "licence": entry.licence,
                "bytes": sum(file.size for file in entry.weights),
                "ready": not lacking,
                "missing": [{"what": need.what, "remedy": need.remedy} for need in lacking],
            }
            for entry, lacking in states
        ]
        typer.echo(json.dumps(rows, indent=2))
        return

    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("name", "kind", "engine", "state", box=SIMPLE_HEAD)
    for entry, lacking in states:
        state = Text("\n".join(map(str, lacking)), "yellow") if lacking else Text("ready", "green")
        table.add_row(entry.name, entry.kind, entry.engine, state)
    Console().print(table)
