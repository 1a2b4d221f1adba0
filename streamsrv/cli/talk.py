"""`streamsrv talk`: speaks a file to a running server in real time, as a person at a microphone would."""

from pathlib import Path
from typing import Annotated

import typer

from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.cli.files import AudioFile, check_output, read_input, write_output
from streamsrv.cli.options import Key, Patience, fail


def talk(
    file: AudioFile,
    url: Annotated[
        str, typer.Option(help="Base URL (http://host:8000/v1) or WebSocket URL of the server.")
    ] = "http://127.0.0.1:8000/v1",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Save the reply as a WAV file.")] = None,
    model: Annotated[str, typer.Option(help="Language model to ask for.", show_default="the server's")] = "",
    key: Key = "",
    patience: Patience = 30.0,
) -> None:
    """Speak a file to a server in real time; print both transcripts and save the reply.

    The exit status is 1 without a reply.
    """
    import asyncio

    from streamsrv.cli.conversation import ConversationFailed, converse
    from streamsrv.conformance.session import Target

    try:
        target = Target.parse(url, key, model, patience)
    except ValueError as error:
        fail(f"--url: {error}")
    if output is not None:
        check_output(output)
    pcm = read_input(file, PCM_RATE_HZ)
    try:
        heard = asyncio.run(converse(target, pcm))
    except ConversationFailed as error:
        fail(str(error), status=1)
    typer.echo(f"you:   {heard.said or '(nothing was recognised)'}")
    typer.echo(f"reply: {heard.reply or '(none)'}")
    if heard.latency_ms is not None:
        typer.echo(f"       first sound {heard.latency_ms:.0f} ms after your last one")
    if output is not None and len(heard.audio):
        write_output(output, heard.audio, PCM_RATE_HZ)
        typer.echo(f"       saved to {output}")
    if not heard.complete:
        fail(f"The conversation did not end within {patience:g} s after the file; wait longer with --patience.", 1)
    if not heard.reply:
        raise typer.Exit(1)
