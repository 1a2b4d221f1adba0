"""`streamsrv models`: lists the models, what each is good for, and what it lacks here."""

import json
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamsrv.cli.options import Assignments, ConfigFile, fail, open_configuration

if TYPE_CHECKING:
    from rich.text import Text

    from streamsrv.engines.catalogue import Catalogue
    from streamsrv.engines.model_entry import ModelEntry
    from streamsrv.engines.readiness.needs import Need
    from streamsrv.engines.weights.store import ModelStore

MAX_CODES = 4
"""Languages that are listed by their codes in the table; of more, the number is shown."""


def models(
    name: Annotated[str | None, typer.Argument(help="Show everything about one model.", show_default="all")] = None,
    kind: Annotated[str | None, typer.Option(help="Only recognizer, chat, synthesizer, vad or turn.")] = None,
    language: Annotated[str | None, typer.Option(help="Only models for this language: a code, or a name.")] = None,
    ready: Annotated[bool, typer.Option("--ready", help="Only models that can run now.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """List the models of the catalogue with their states.

    A model is called ready if its packages can be imported and its weights are right; doctor --load also runs it.
    """
    from streamsrv.engines.catalogue import CatalogueError
    from streamsrv.engines.model_facts import readiness_facts
    from streamsrv.engines.weights.store import ModelStore

    configuration = open_configuration(config, assignments)
    catalogue = configuration.catalogue
    if name is not None:
        try:
            catalogue.find(name)
        except CatalogueError as error:
            fail(str(error))
    entries = _chosen(list(catalogue.values()) if name is None else [catalogue[name]], kind, language)
    states = _states(entries, catalogue, ModelStore(configuration.settings.model_folder))
    states = {each: lacking for each, lacking in states.items() if not (ready and lacking)}
    rows = [_facts(catalogue[each], catalogue) | readiness_facts(lacking) for each, lacking in states.items()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        typer.echo("no model is like that", err=True)
    elif name is not None:
        _show_one(rows[0], catalogue[name])
    else:
        _show_all(rows)


def _chosen(entries: "list[ModelEntry]", kind: str | None, language: str | None) -> "list[ModelEntry]":
    """Return the entries of that kind that know that language; exit with status 2 if there is no such."""
    from streamsrv.engines.catalogue import PACKAGES
    from streamsrv.text.languages import normalize_language

    if kind is not None and kind not in PACKAGES:
        fail(f"--kind: {kind!r}; accepted: {', '.join(PACKAGES)}")
    code = normalize_language(language) if language is not None else None
    if language is not None and code is None:
        fail(f"--language: {language!r}; accepted: an ISO 639-1 code such as de, or an English name such as German")
    return [
        entry
        for entry in entries
        if kind in (None, entry.kind) and (code is None or not entry.languages or code in entry.languages)
    ]


def _states(entries: "list[ModelEntry]", catalogue: "Catalogue", store: "ModelStore") -> "dict[str, list[Need]]":
    """Return what each entry lacks, by name: in place of a retired model, what its successor lacks."""
    from streamsrv.engines.readiness.survey import survey

    serving = {entry.name: catalogue.find(entry.name, entry.kind) for entry in entries}
    found = survey(list({entry.name: entry for entry in serving.values()}.values()), catalogue, store)
    return {name: found[entry.name] for name, entry in serving.items()}


def _facts(entry: "ModelEntry", catalogue: "Catalogue") -> dict[str, Any]:
    from streamsrv.engines.catalogue import CatalogueError
    from streamsrv.engines.loading import with_parts
    from streamsrv.engines.model_facts import model_facts

    try:
        return model_facts(entry, with_parts(entry, catalogue)[1:])
    except CatalogueError:  # its state says what is wrong with its parts
        return model_facts(entry)


def _show_all(rows: list[dict[str, Any]]) -> None:
    """Print a table for each kind of models."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    for kind, group in groupby(rows, key=lambda row: row["kind"]):
        state = Column("state", overflow="fold")
        about = _of_chat if kind == "chat" else _of_speech
        table = Table(Column(kind, no_wrap=True), *about(None), state, box=SIMPLE_HEAD)
        for row in group:
            table.add_row(row["name"], *about(row), _state(row))
        console.print(table)
    console.print("streamsrv models NAME tells everything about one model.")


def _of_speech(row: dict[str, Any] | None) -> list[str]:
    """Return the cells of a model that hears or speaks; None: their titles."""
    if row is None:
        return ["languages", "weights", "memory"]
    return [_languages(row["languages"]), _weights(row), _bytes(row["memory"])]


def _of_chat(row: dict[str, Any] | None) -> list[str]:
    """Return the cells of a language model; None: their titles."""
    if row is None:
        return ["context", "USD per million tokens", "weights", "memory"]
    shown = [price for price in row["price"] if price["per"] in ("million input tokens", "million output tokens")]
    prices = " / ".join(f"{price['amount']:.2f}" for price in shown)
    return [_count(row["context_tokens"]), prices, _weights(row), _bytes(row["memory"])]


def _show_one(row: dict[str, Any], entry: "ModelEntry") -> None:
    """Print everything about one model."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from streamsrv.configuration.words import without_secrets

    needs_hardware = {"cpu": "a CPU is enough", "gpu": "needs a GPU with CUDA", "remote": "runs on another machine"}
    lines = {
        "kind": f"{row['kind']}, engine {row['engine']}",
        "languages": " ".join(row["languages"]),
        "best for": row["best_for"],
        "not for": row["not_for"],
        "context": f"{_count(row['context_tokens'])} tokens" if row["context_tokens"] else "",
        "longest answer": f"{_count(row['max_output_tokens'])} tokens" if row["max_output_tokens"] else "",
        "can": ", ".join(ability.replace("_", " ") for ability in entry.abilities),
        "thinking": ", ".join(row["efforts"]),
        "strength": f"{row['strength']} of 100" if row["strength"] else "",
        "hardware": needs_hardware[row["hardware"]],
        "weights": "" if row["hardware"] == "remote" else _weights(row),
        "memory": _bytes(row["memory"]),
        "price": "; ".join(map(str, entry.price)),
        "licence": row["licence"] + (f"; of the code: {row['code_licence']}" if row["code_licence"] else ""),
        "packages": f"streamsrv[{row['extra']}]" if row["extra"] else "",
        "programs": ", ".join(entry.commands),
        "address": without_secrets(str(entry.options.get("base_url", ""))) if row["hardware"] == "remote" else "",
        "key": row["key_variable"] + (" (optional)" if entry.key_is_optional else ""),
    }
    table = Table.grid(padding=(0, 2))
    table.add_row(row["name"], Text(row["description"]))
    table.add_row("state", _state(row))
    for title, value in lines.items():
        if value:
            table.add_row(title, Text(value))
    Console().print(table)


def _languages(codes: list[str]) -> str:
    return " ".join(codes) if len(codes) <= MAX_CODES else str(len(codes))


def _weights(row: dict[str, Any]) -> str:
    return "remote" if row["hardware"] == "remote" else _bytes(row["bytes"])


def _count(number: int | None) -> str:
    return f"{number:,}" if number else ""


def _bytes(size: int) -> str:
    from rich.filesize import decimal

    return decimal(size, precision=0 if size < 1e9 else 1) if size else ""


def _state(row: dict[str, Any]) -> "Text":
    from rich.text import Text

    lines = [f"{need['what']}: {need['remedy']}" for need in row["missing"]]
    lines[:0] = [f"retired by its provider: {row['successor']} serves it"] if row["successor"] else []
    return Text("\n".join(lines), "yellow") if lines else Text("ready", "green")
