"""`streamsrv serve`: run the server."""

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamsrv.cli.options import fail

if TYPE_CHECKING:
    import uvicorn

    from streamsrv.config import Settings
    from streamsrv.providers.engines import Engines

STALL_MS = 60_000
"""A connection whose client takes nothing of what is waiting for it for this long is dropped by the kernel."""

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
    """Settings with the flags of a command on top; ends the command with a readable message if they are wrong."""
    from pydantic import ValidationError

    from streamsrv.config import Settings

    try:
        return Settings(**(flags or {}))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        fail("Cannot start:\n  " + "\n  ".join(problems))


def _run(settings: "Settings", log_level: str) -> None:
    import uvloop

    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request at info
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, log_level))


async def _serve(settings: "Settings", log_level: str) -> None:
    import uvicorn

    from streamsrv.app import build_app
    from streamsrv.transports.websocket import MAX_FRAME_BYTES

    config = uvicorn.Config(
        "",
        host=settings.host,
        port=settings.port,
        log_level="warning" if log_level == "info" else log_level,
        access_log=False,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
    )
    listener = _bind(config)
    engines = await _load(settings)
    try:
        config.app = build_app(settings, engines)
        server = uvicorn.Server(config)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_announce(server, _address(listener)))
            await server.serve(sockets=[listener])
    finally:
        await engines.aclose()


async def _announce(server: "uvicorn.Server", address: str) -> None:
    """Print the address as soon as clients can connect to it; uvicorn has no event for that."""
    while not server.started and not server.should_exit:
        await asyncio.sleep(0.01)
    if server.started:
        typer.echo(f"\nListening on http://{address}  (Realtime: ws://{address}/v1/realtime)  Stop with Ctrl-C.")


def _bind(config: "uvicorn.Config") -> socket.socket:
    """Take the port before the models load: nobody should wait for them only to learn that it is in use."""
    try:
        listener = config.bind_socket()
    except SystemExit:
        fail(f"Cannot listen on {config.host} port {config.port}; choose another with --host and --port.", status=1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALL_MS)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _load(settings: "Settings") -> "Engines":
    from streamsrv.errors import EngineError
    from streamsrv.providers.catalogue import CatalogueError
    from streamsrv.providers.startup import load_engines

    typer.echo("Loading models ...")
    try:
        return await load_engines(settings, lambda line: typer.echo(f"  {line}"))
    except (EngineError, CatalogueError) as error:
        fail(f"Cannot start: {error}", status=1)
