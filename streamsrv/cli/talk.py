"""`streamsrv talk`: speaks a file to a running server in real time, as a person at a microphone would."""

from pathlib import Path
from typing import Annotated

import typer

from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.cli.options import fail


def talk(
    file: Annotated[Path, typer.Argument(help="Speech in any common audio format.", exists=True, dir_okay=False)],
    url: Annotated[str, typer.Option(help="The server.")] = "ws://127.0.0.1:8000/v1/realtime",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Save the reply as a WAV file.")] = None,
    model: Annotated[str, typer.Option(help="Language model to ask for.", show_default="the server's")] = "",
    key: Annotated[str, typer.Option(envvar="STREAMSRV_KEY", help="API key, if the server wants one.")] = "",
    patience: Annotated[float, typer.Option(help="Seconds to wait for the reply after the file.", min=1)] = 30.0,
) -> None:
    """Speak a file to a server in real time; print both transcripts and save the reply."""
    import asyncio

    from streamsrv.audio.files import AudioFileError, read_audio, write_wav
    from streamsrv.cli.conversation import ConversationFailed, converse

    address = f"{url}{'&' if '?' in url else '?'}model={model}" if model else url
    try:
        pcm = read_audio(file, sample_rate=PCM_RATE_HZ)
        turn = asyncio.run(converse(address, pcm, key=key, patience_s=patience))
    except (AudioFileError, ConversationFailed) as error:
        fail(str(error), status=1)
    typer.echo(f"you:   {turn.said or '(nothing was recognised)'}")
    typer.echo(f"reply: {turn.reply or '(none)'}")
    if turn.latency_ms is not None:
        typer.echo(f"       first sound {turn.latency_ms:.0f} ms after your last one")
    if output is not None and len(turn.audio):
        write_wav(output, turn.audio, PCM_RATE_HZ)
        typer.echo(f"       saved to {output}")
    if not turn.reply:
        raise typer.Exit(1)
