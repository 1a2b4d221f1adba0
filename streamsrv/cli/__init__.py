"""The `streamsrv` command. Each subcommand is a module here that imports what it needs only when it runs."""

import sys
from typing import Annotated

import typer

from streamsrv.cli import call, config, conformance, doctor, healthcheck, models, pull, say, serve, talk, transcribe
from streamsrv.cli.first_process import run_in_child_of_first_process
from streamsrv.cli.standard_streams import open_missing_standard_streams

app = typer.Typer(
    name="streamsrv",
    help="Self-hosted real-time voice server, speaking the OpenAI Realtime protocol.",
    epilog="Exit status: 0 done, 1 failed, 2 wrong use or settings.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        from streamsrv import __version__

        typer.echo(f"streamsrv {__version__}")
        raise typer.Exit


@app.callback()
def _options(  # pyright: ignore[reportUnusedFunction]
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None: ...


# The order here is the order of `streamsrv --help`.
app.command("serve")(serve.serve)
app.command("talk")(talk.talk)
app.command("call", cls=call.OrderedCommand)(call.call)
app.command("transcribe")(transcribe.transcribe)
app.command("say")(say.say)
app.command("conformance")(conformance.conformance)
app.command("pull")(pull.pull)
app.command("models")(models.models)
app.command("doctor")(doctor.doctor)
app.add_typer(config.config, name="config")
app.command("healthcheck")(healthcheck.healthcheck)


def main() -> None:
    """Entry point of the installed command."""
    open_missing_standard_streams()
    run_in_child_of_first_process()
    try:
        app()
    except OSError as error:  # such as a full disk behind the standard output
        at = f"{error.filename}: " if error.filename else ""
        print(f"{at}{error.strerror or error}", file=sys.stderr)
        sys.exit(1)
