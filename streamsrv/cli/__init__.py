"""The `streamsrv` command. Each subcommand is a module here that imports what it needs only when it runs."""

import typer

from streamsrv.cli import conformance, doctor, models, pull, say, serve, talk, transcribe

app = typer.Typer(
    name="streamsrv",
    help="Self-hosted real-time voice server, speaking the OpenAI Realtime protocol.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# The order here is the order of `streamsrv --help`.
app.command("serve")(serve.serve)
app.command("talk")(talk.talk)
app.command("transcribe")(transcribe.transcribe)
app.command("say")(say.say)
app.command("conformance")(conformance.conformance)
app.command("pull")(pull.pull)
app.command("models")(models.models)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Entry point of the installed command."""
    app()
