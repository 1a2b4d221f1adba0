"""`streamsrv healthcheck`: asks the server of this machine whether it works, for a container engine or a monitor."""

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import typer

from streamsrv.cli.options import Assignments, ConfigFile, fail, open_configuration

if TYPE_CHECKING:
    from streamsrv.settings import Settings

ANSWER_S = 5.0
"""Longest wait for the server's answer, in seconds."""
LISTENS_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Loopback addresses by the address that a server listens on."""


def healthcheck(config: ConfigFile = None, assignments: Assignments = None) -> None:
    """Ask the server that has these settings whether it works; the exit status is 1 if it does not."""
    settings = open_configuration(config, assignments, tells_warnings=False).settings
    if settings.port == 0:
        fail("port 0 means any free port, so the server cannot be found: set the port")
    problem = check(health_url(settings))
    if problem is not None:
        fail(problem, status=1)
    typer.echo("ok")


def health_url(settings: "Settings") -> str:
    """Return the address of the server's health on this machine."""
    host = settings.host.strip("[]")
    host = LISTENS_EVERYWHERE.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/healthz"


def check(url: str) -> str | None:
    """Return None if the server works, else what is wrong."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy of the environment
    try:
        with opener.open(url, timeout=ANSWER_S):
            return None
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}: {_message(error.read())}"
    except OSError as error:
        return f"{url} does not answer: {error.reason if isinstance(error, urllib.error.URLError) else error}"


def _message(body: bytes) -> str:
    try:
        answer: Any = json.loads(body)
        return str(answer["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return "not an error of streamsrv"
