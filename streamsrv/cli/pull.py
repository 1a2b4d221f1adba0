"""`streamsrv pull`: fetch the weights of models."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from streamsrv.cli.options import Assignments, ConfigFile, fail, open_configuration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from streamsrv.engines.catalogue import ModelEntry
    from streamsrv.engines.weights import ModelStore


def pull(
    names: Annotated[list[str] | None, typer.Argument(help="Models to fetch.", show_default="the default ones")] = None,
    every: Annotated[bool, typer.Option("--all", help="Fetch every model of the catalogue that has weights.")] = False,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Fetch the weights of models, so that they start without network."""
    from streamsrv.engines.catalogue import DEFAULT_MODELS, OPTIONAL_MODELS, CatalogueError
    from streamsrv.engines.weights import ModelStore

    if names and every:
        fail("name models or give --all, not both")
    configuration = open_configuration(config, assignments)
    catalogue = configuration.catalogue
    if every:
        names = [entry.name for entry in catalogue.entries() if entry.weights]
    try:
        needed = [catalogue.find(name) for name in names or DEFAULT_MODELS.values()]
        optional = [] if names else [catalogue.find(name) for name in OPTIONAL_MODELS.values()]
    except CatalogueError as error:
        fail(str(error))
    store = ModelStore(configuration.settings.model_folder)
    ready = [_pull_one(entry, store) for entry in needed]
    for entry in optional:
        if not _pull_one(entry, store):
            typer.echo(f"{entry.name}: the server starts without it.", err=True)
    if not all(ready):
        raise typer.Exit(1)


def _pull_one(entry: "ModelEntry", store: "ModelStore") -> bool:
    """Fetch one model and print the result; return whether it can be loaded now."""
    from rich.filesize import decimal

    from streamsrv.engines.readiness import needs
    from streamsrv.engines.weights import FetchFailed

    missing = store.missing(entry)
    started = time.monotonic()
    try:
        with _ProgressBar() as progress:
            store.fetch(entry, progress)
    except FetchFailed as error:
        typer.echo(f"{entry.name}: {error}", err=True)
        return False
    fetched = f" (fetched {decimal(sum(file.size for file in missing))} in {time.monotonic() - started:.1f} s)"
    lacking = needs(entry, store)
    typer.echo(f"{entry.name}: {', '.join(map(str, lacking)) or 'ready'}{fetched if missing else ''}")
    return not lacking


class _ProgressBar:
    """Draws a bar for each file from a hub, from its first byte on; pip draws its own bars for wheels."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, name: str, held: int, size: int) -> None:
        if self._progress is None:
            self._progress = _make_progress()
            self._progress.start()
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=size)
        self._progress.update(self._tasks[name], completed=held)


def _make_progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))
