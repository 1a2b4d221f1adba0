"""`streamsrv conformance`: checks any server of the OpenAI Realtime protocol."""

from typing import Annotated

import typer

from streamsrv.cli.options import Key, Patience, fail


def conformance(
    url: Annotated[
        str, typer.Argument(help="Base URL (http://host:8000/v1) or WebSocket URL of the server.")
    ] = "http://127.0.0.1:8000/v1",
    only: Annotated[list[str] | None, typer.Argument(help="Groups or names of checks.", show_default="all")] = None,
    model: Annotated[str, typer.Option(help="Model to ask for.", show_default="the server's")] = "",
    key: Key = "",
    patience: Patience = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
    list_only: Annotated[bool, typer.Option("--list", help="Print the checks and run none.")] = False,
) -> None:
    """Check that a server speaks the OpenAI Realtime protocol: this one, OpenAI's, or any other.

    The exit status is 1 if a check failed, and 2 if the server cannot be reached. A paid server charges for a short
    session for each check, and about half of them have an answer.
    """
    import asyncio
    import json

    from streamsrv.conformance.checks import ALL
    from streamsrv.conformance.report import line, summary, to_json
    from streamsrv.conformance.run import Result, Unreachable, reach, run_check, select
    from streamsrv.conformance.session import Target
    from streamsrv.conformance.shapes import knows_types

    async def run() -> list[Result]:
        await reach(target)
        results: list[Result] = []
        for check in checks:
            results.append(await run_check(check, target))
            if not as_json:
                typer.echo(line(results[-1]))
        return results

    try:
        target, checks = Target.parse(url, key, model, patience), select(ALL, only or ())
        if list_only:
            for check in checks:
                typer.echo(f"{check.name}: {check.statement}")
            return
        results = asyncio.run(run())
    except (ValueError, Unreachable) as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps(to_json(results, target.url, checked_types=knows_types()), indent=2))
    else:
        typer.echo(summary(results, checked_types=knows_types()))
    if any(result.outcome == "failed" for result in results):
        raise typer.Exit(1)
