"""`streamsrv serve`: runs the server."""

import asyncio
import logging
import os
import resource
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from streamsrv.cli.options import Assignments, ConfigFile, fail, open_configuration

if TYPE_CHECKING:
    from streamsrv.cli.process_signals import ProcessSignals
    from streamsrv.configuration.reading import Configuration
    from streamsrv.engines.loaded import Engines
    from streamsrv.ledger.ledger import Ledger
    from streamsrv.observability.tracing import Tracing
    from streamsrv.service import Service
    from streamsrv.settings import Settings

# Values are texts, so that a wrong one is explained like that of any other setting.
Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[str | None, typer.Option(help="Port to listen on; 0: any free one.", show_default="8000")]

logger = logging.getLogger(__name__)


def serve(
    host: Host = None,
    port: Port = None,
    chat: Annotated[
        str | None, typer.Option(help="Language model, by its catalogue name.", show_default="auto")
    ] = None,
    recognizer: Annotated[str | None, typer.Option(help="Speech recogniser.", show_default="moonshine-tiny")] = None,
    synthesizer: Annotated[str | None, typer.Option(help="Speech synthesisers.", show_default="auto")] = None,
    only: Annotated[
        str | None, typer.Option(help="Run one model alone, for other servers: tts:NAME.", show_default=False)
    ] = None,
    vad: Annotated[str | None, typer.Option(help="Voice-activity detector.", show_default="silero")] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning, error or critical.", show_default="info")
    ] = None,
    log_format: Annotated[str | None, typer.Option(help="text or json.", show_default="text")] = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Run the server."""
    from streamsrv.cli.process_signals import ProcessSignals

    signals = ProcessSignals()
    _forbid_core_files()
    flags = {"host": host, "port": port, "chat": chat, "recognizer": recognizer, "synthesizer": synthesizer}
    flags |= {"only": only, "vad": vad, "log_level": log_level, "log_format": log_format}
    configuration = open_configuration(config, assignments, tells_warnings=False, **flags)  # they are logged

    def read_again() -> "Configuration":
        from streamsrv.configuration.reading import read_configuration

        return read_configuration(flags, assignments or (), config)

    _run(configuration, read_again, signals)


def _forbid_core_files() -> None:
    """Let no crash write the memory of this process or its helpers, with what users said and with keys, to a file."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def _run(configuration: "Configuration", read_again: "Callable[[], Configuration]", signals: "ProcessSignals") -> None:
    import uvloop

    from streamsrv.configuration.advice import advice
    from streamsrv.observability.logging import configure_logging

    configure_logging(configuration.settings.log_level, configuration.settings.log_format)
    for warning in (*configuration.warnings, *advice(configuration, os.environ)):
        logger.warning("%s", warning)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(configuration.settings, read_again, signals))


async def _serve(settings: "Settings", read_again: "Callable[[], Configuration]", signals: "ProcessSignals") -> None:
    from streamsrv.app import build_app
    from streamsrv.reload import Reloader
    from streamsrv.server import Server, address, bind

    try:
        # Bind before the models load, so that a port in use is reported at once.
        listener = bind(settings.host, settings.port)
    except OSError as error:
        at = f"{settings.host} port {settings.port}"
        fail(f"Cannot listen on {at}: {error.strerror}; choose another with --host and --port.", status=1)
    try:
        if settings.audiosocket_port:
            bind(settings.audiosocket_host, settings.audiosocket_port).close()
    except OSError as error:
        at = f"{settings.audiosocket_host} port {settings.audiosocket_port}"
        fail(f"Cannot listen for AudioSocket on {at}: {error.strerror}; see audiosocket_host and _port.", status=1)
    _check_sip(settings)
    tracing, ledger = _open_tracing(settings), _open_ledger(settings)
    engines = await _load(settings)
    tell = _teller(settings)

    def announce() -> None:
        where = address(listener)
        uses = f"Realtime: ws://{where}/v1/realtime" if settings.only is None else f"only {settings.only}"
        tell(f"\nListening on http://{where}  ({uses})  Stop with Ctrl-C.")

    app = build_app(settings, engines, tracing, ledger)
    service: Service = app.state.service
    try:
        server = Server(app, announce)
        async with Reloader(service, read_again) as reloader:
            signals.serve(server.stop, reloader.request)
            await server.serve(sockets=[listener])
    finally:
        await service.engines.aclose()


def _check_sip(settings: "Settings") -> None:
    from streamsrv.errors import EngineError
    from streamsrv.transports.telephony.sip.needs import check_sip, check_sip_ports

    try:
        for endpoint in settings.sip_endpoint:
            check_sip(endpoint)
            check_sip_ports(endpoint)
    except EngineError as error:
        fail(f"Cannot start: {error}", status=1)


def _open_tracing(settings: "Settings") -> "Tracing | None":
    from streamsrv.errors import EngineError
    from streamsrv.observability.tracing import open_tracing

    try:
        return open_tracing(with_words=settings.tracing_words) if settings.tracing else None
    except EngineError as error:
        fail(f"Cannot start: {error}", status=1)


def _open_ledger(settings: "Settings") -> "Ledger | None":
    from streamsrv.errors import EngineError
    from streamsrv.ledger.opening import open_ledger

    try:
        return open_ledger(settings.ledger)
    except EngineError as error:
        fail(f"Cannot start: {error}", status=1)


async def _load(settings: "Settings") -> "Engines":
    from streamsrv.engines.catalogue import CatalogueError
    from streamsrv.engines.startup import load_engines
    from streamsrv.errors import EngineError

    tell = _teller(settings)
    tell("Loading models ...")
    try:
        return await load_engines(settings, lambda line: tell(f"  {line}"))
    except (EngineError, CatalogueError) as error:
        fail(f"Cannot start: {error}", status=1)


def _teller(settings: "Settings") -> Callable[[str], None]:
    """Return what tells the operator about the start: on the standard output, or in the log if that is for programs."""
    if settings.log_format == "text":
        return typer.echo
    return lambda line: logger.info("%s", line.strip())
