"""`streamsrv serve`: runs the server."""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamsrv.cli.options import fail

if TYPE_CHECKING:
    from streamsrv.config import Settings
    from streamsrv.engines.loaded import Engines

Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.", show_default="8000")]


def serve(
    host: Host = None,
    port: Port = None,
    chat: Annotated[
        str | None, typer.Option(help="Language model, by its catalogue name.", show_default="auto")
    ] = None,
    recognizer: Annotated[str | None, typer.Option(help="Speech recogniser.", show_default="moonshine-tiny")] = None,
    synthesizer: Annotated[str | None, typer.Option(help="Speech synthesiser.", show_default="hibari")] = None,
    vad: Annotated[str | None, typer.Option(help="Voice-activity detector.", show_default="silero")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the server."""
    flags = {"host": host, "port": port, "chat": chat, "recognizer": recognizer, "synthesizer": synthesizer}
    flags["vad"] = vad
    settings = read_settings({name: value for name, value in flags.items() if value is not None})
    _run(settings, log_level)


def read_settings(flags: dict[str, Any] | None = None) -> "Settings":
    """Read the settings, which `flags` override; exit with a readable message if they are invalid."""
    from pydantic import ValidationError

    from streamsrv.config import Settings

    try:
        return Settings(**(flags or {}))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        fail("Cannot start:\n  " + "\n  ".join(problems))


def _run(settings: "Settings", log_level: str) -> None:
    import uvloop

    from streamsrv.log_context import FORMAT, LogContext

    handler = logging.StreamHandler()
    handler.addFilter(LogContext())
    logging.basicConfig(level=log_level.upper(), format=FORMAT, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every request at info
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: "Settings") -> None:
    from streamsrv.app import build_app
    from streamsrv.server import Server, address, bind

    try:
        # Bind before the models load, so that a port in use is reported at once.
        listener = bind(settings.host, settings.port)
    except OSError as error:
        at = f"{settings.host} port {settings.port}"
        fail(f"Cannot listen on {at}: {error.strerror}; choose another with --host and --port.", status=1)
    engines = await _load(settings)

    def announce() -> None:
        where = address(listener)
        typer.echo(f"\nListening on http://{where}  (Realtime: ws://{where}/v1/realtime)  Stop with Ctrl-C.")

    try:
        server = Server(build_app(settings, engines), announce)
        await server.serve(sockets=[listener])
    finally:
        await engines.aclose()


async def _load(settings: "Settings") -> "Engines":
    from streamsrv.engines.catalogue import CatalogueError
    from streamsrv.engines.startup import load_engines
    from streamsrv.errors import EngineError

    typer.echo("Loading models ...")
    try:
        return await load_engines(settings, lambda line: typer.echo(f"  {line}"))
    except (EngineError, CatalogueError) as error:
        fail(f"Cannot start: {error}", status=1)
