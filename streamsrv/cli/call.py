"""`streamsrv call`: calls a server as a telephone provider does, with a simulated caller, without a telephone."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from streamsrv.cli.call_words import Asked, heard_words, turns_of
from streamsrv.cli.files import check_output, write_output
from streamsrv.cli.options import Assignments, ConfigFile, Key, fail, open_configuration

if TYPE_CHECKING:
    from streamsrv.calling.call import CallPlan, CallReport
    from streamsrv.calling.peers.base import Identity

IN_ORDER = ("say", "audio", "digits", "barge_in_after")
"""Options whose order among each other counts."""


class OrderedCommand(typer.core.TyperCommand):
    """Keeps the order in which options were given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; `ctx.meta["order"]` has the names of the options, each as often as it was given."""
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        ctx.meta["order"] = [parameter.name for parameter in given]
        return super().parse_args(ctx, args)


def call(
    context: typer.Context,
    url: Annotated[
        str,
        typer.Argument(
            help="Address of the server, or of its media socket (ws://, or tcp:// for AudioSocket). With --secret, the "
            "server's webhook is asked first."
        ),
    ] = "http://127.0.0.1:8000",
    provider: Annotated[str, typer.Option(help="twilio, telnyx, plivo, vonage, exotel or audiosocket.")] = "twilio",
    say: Annotated[list[str] | None, typer.Option(help="A turn: a text that the embedded voice speaks.")] = None,
    audio: Annotated[list[Path] | None, typer.Option(help="A turn: a recording in any common format.")] = None,
    digits: Annotated[list[str] | None, typer.Option(help="A turn: keys that are pressed.")] = None,
    barge_in_after: Annotated[
        list[int] | None,
        typer.Option(min=0, help="The next turn interrupts the agent, so many ms after it begins to speak."),
    ] = None,
    caller: Annotated[str, typer.Option("--from", help="Number of the caller.")] = "+15550100",
    called: Annotated[str, typer.Option("--to", help="Number that is called.")] = "+15550199",
    secret: Annotated[
        str,
        typer.Option(
            envvar="STREAMSRV_CALL_SECRET",
            help="What the provider signs with: auth token (Twilio, Plivo), private key (Telnyx), signature secret "
            "(Vonage), user:password (Exotel).",
        ),
    ] = "",
    key: Key = "",
    account: Annotated[str, typer.Option(help="Account at the provider.")] = "",
    public_url: Annotated[
        str, typer.Option(help="public_url of the server's settings.", show_default="the address of the server")
    ] = "",
    parameter: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A custom parameter, without a webhook.")
    ] = None,
    loss: Annotated[float, typer.Option(min=0, max=1, help="Share of the caller's audio that is lost.")] = 0.0,
    jitter: Annotated[float, typer.Option(min=0, max=2000, help="Longest delay of a chunk of audio, in ms.")] = 0.0,
    repeated: Annotated[float, typer.Option(min=0, max=1, help="Share of chunks that come twice.")] = 0.0,
    reordered: Annotated[float, typer.Option(min=0, max=1, help="Share of chunks out of order (Telnyx).")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of loss and jitter.")] = 0,
    max_seconds: Annotated[float, typer.Option(min=1, max=3600, help="When the caller hangs up at last.")] = 120.0,
    patience: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")] = 15.0,
    drop_after: Annotated[
        int | None, typer.Option(min=0, help="Break the connection after so many ms, without a word.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Save both sides: WAV, the caller left, the agent right.")
    ] = None,
    transcribe: Annotated[bool, typer.Option(help="Recognise what the agent said.")] = True,
    voice: Annotated[str, typer.Option(help="Voice of the caller.", show_default="the default voice")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    config: ConfigFile = None,
    assignments: Assignments = None,
) -> None:
    """Call a server as a telephone provider does, and print what was said, and when.

    --say, --audio and --digits are the caller's turns, in the order in which they are given. The exit status is 1 if
    the call is not answered, nothing is heard, or the server sends what the provider does not accept.
    """
    import asyncio

    from streamsrv.audio.rates import SPEECH_RATE_HZ
    from streamsrv.calling.call import CallPlan
    from streamsrv.calling.dialling import new_identity
    from streamsrv.calling.impairment import Impairment
    from streamsrv.calling.peers import PEERS
    from streamsrv.calling.ringing import NotAnswered
    from streamsrv.calling.script import Manners
    from streamsrv.calling.wires import CallFailed
    from streamsrv.cli.call_report import as_object, as_text

    if provider not in PEERS:
        fail(f"--provider {provider}: accepted are {', '.join(PEERS)}")
    socket = _socket(url, provider, bool(secret))
    identity = new_identity(provider, caller, called, account, **_parameters(parameter, socket))
    if output is not None:
        check_output(output)
    settings = open_configuration(config, assignments, tells_warnings=False).settings
    given = {"say": say, "audio": audio, "digits": digits, "barge_in_after": barge_in_after}
    turns = turns_of(_in_order(context.meta["order"], given), SPEECH_RATE_HZ, settings, voice)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    manners = Manners(patience_ms=round(1000 * patience))
    impairment = Impairment(loss, jitter, repeated, reordered, seed)
    plan = CallPlan(socket, turns, SPEECH_RATE_HZ, headers, manners, impairment, max_seconds, drop_after)
    try:
        report = asyncio.run(_call(provider, identity, url, plan, secret, public_url))
    except (CallFailed, NotAnswered) as error:
        fail(str(error), status=1)
    words, note = _words(report, settings) if transcribe else (None, "")
    if output is not None:
        write_output(output, report.stereo(), report.sample_rate)
    typer.echo(as_object(report, words) if as_json else as_text(report, words))
    if note:
        typer.echo(note, err=True)
    if output is not None:
        typer.echo(f"saved to {output}", err=as_json)
    if report.violations or report.first_sound_ms is None:
        raise typer.Exit(1)


async def _call(
    provider: str, identity: "Identity", url: str, plan: "CallPlan", secret: str, public_url: str
) -> "CallReport":
    from streamsrv.calling.dialling import dial, stream_straight

    if plan.url:
        return await stream_straight(provider, identity, plan)
    return await dial(provider, identity, url, plan, secret, public_url)


def _socket(url: str, provider: str, has_secret: bool) -> str:
    """Return the address of the media socket; empty if the webhook tells it. Exit with an error for a wrong URL."""
    from urllib.parse import urlsplit

    accepted = ("tcp",) if provider == "audiosocket" else ("http", "https", "ws", "wss")
    examples = "tcp://host:port" if provider == "audiosocket" else "http(s)://host:port or ws(s)://host:port/path"
    wrong = f"'{url}' is not an address that {provider} calls: give {examples}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        fail(wrong)
    if parts.scheme not in accepted or not parts.hostname or (parts.scheme == "tcp" and not port):
        fail(wrong)
    if parts.scheme in ("ws", "wss", "tcp"):
        return url
    return "" if has_secret else f"{url.rstrip('/').replace('http', 'ws', 1)}/v1/calls/{provider}/media"


def _parameters(given: list[str] | None, socket: str) -> dict[str, str]:
    if given and not socket:
        fail("--parameter is for calls without --secret: the answer of the webhook has the parameters")
    pairs = [one.partition("=") for one in given or ()]
    for name, equals, _ in pairs:
        if not name or not equals:
            fail(f"--parameter {name}: give NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _in_order(order: list[str], given: Mapping[str, Any]) -> list[Asked]:
    values = {name: iter(values or ()) for name, values in given.items()}
    return [Asked(name, next(values[name])) for name in order if name in IN_ORDER]


def _words(report: "CallReport", settings: Any) -> tuple[list[str] | None, str]:
    from streamsrv.engines.catalogue import CatalogueError
    from streamsrv.errors import EngineError

    try:
        return heard_words(report, settings), ""
    except (CatalogueError, EngineError) as error:
        return None, f"What the agent said is not recognised: {error}"
