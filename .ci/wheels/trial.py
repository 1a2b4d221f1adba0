"""Uses an installed streamsrv as its user would: `python trial.py WEIGHTS EXTRAS`. Standard library only.

Everything is run in an empty folder, with the weights given and no other setting. Ends with a message at the first
thing that is not right.
"""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import urljoin
from urllib.request import urlopen

LINK = re.compile(r"""(?:\b(?:src|href)=|\bfrom\s+|\bimport\s*\(?\s*)["']([^"']+)["']""")
ON_PYTORCH = {"nemo", "xtts", "chattts"}
"""Extras that the extra `all` leaves out."""
TYPES = {"js": "javascript", "css": "css", "html": "html"}


def main() -> None:
    weights, extras = Path(sys.argv[1]), sys.argv[2]
    os.environ["STREAMSRV_MODEL_FOLDER"] = str(weights)
    package = installed_package()
    check_version()
    check_models(extras)
    server, url = serve()
    try:
        talk(package / "conformance/is_the_front_door_locked.flac", url)
        count = load_pages(url, "/") + load_pages(url, "/captions/")
    except BaseException:
        server.kill()
        raise
    stop(server)
    print(f"  version, models, a spoken turn, {count} files of the pages, SIGTERM: right")


def installed_package() -> Path:
    """The folder of the package, which must be that of this environment."""
    spec = find_spec("streamsrv")
    assert spec is not None, "streamsrv cannot be imported"
    package = Path(str(spec.origin)).parent
    assert package.is_relative_to(sys.prefix), f"streamsrv is imported from {package}, not from the wheel"
    return package


def check_version() -> None:
    expected = f"streamsrv {version('streamsrv')}"
    for command in ([script()], [sys.executable, "-m", "streamsrv"]):
        printed = output_of(*command, "--version").strip()
        assert printed == expected, f"{command} --version prints {printed!r}, not {expected!r}"


def check_models(extras: str) -> None:
    """With the extra `all`, only the models on PyTorch lack a package; the default models are ready in any case."""
    # In one line for each model: a narrow table breaks the lines of what a model lacks.
    os.environ["COLUMNS"] = "500"
    listed = output_of(script(), "models")
    if extras == "all":
        lacking = set(re.findall(r"pip install 'streamsrv\[(.+?)\]'", listed))
        assert lacking == ON_PYTORCH, f"the extra all must have all other extras; the models lack {lacking}"
    output_of(script(), "doctor")


def serve() -> tuple[subprocess.Popen[str], str]:
    """Start the server with the embedded models on a free port; returns it and its address."""
    command = [script(), "serve", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert server.stdout is not None
    printed = ""
    for line in server.stdout:
        printed += line
        if found := re.search(r"Listening on (http://[\w.:\[\]]+)", line):
            return server, found[1]
    raise SystemExit(f"the server did not start:\n{printed}")


def talk(recording: Path, url: str) -> None:
    address = url.replace("http", "ws") + "/v1/realtime"
    said = output_of(script(), "talk", str(recording), "--url", address, "-o", "reply.wav")
    assert "front door" in said.lower(), f"the question was not understood:\n{said}"
    assert Path("reply.wav").stat().st_size > 10_000, "the reply has no sound"
    Path("reply.wav").unlink()


def load_pages(url: str, path: str) -> int:
    """Load a page and every script, style sheet and module that it needs; returns how many files these are."""
    waiting, loaded = [urljoin(url, path)], set[str]()
    while waiting:
        address = waiting.pop()
        if address in loaded or not address.startswith(url):
            continue
        loaded.add(address)
        with urlopen(address, timeout=120) as response:
            kind, text = response.headers["content-type"], response.read().decode(errors="replace")
        expected = TYPES.get(address.rpartition(".")[2], "")
        assert expected in kind, f"{address} has the content type {kind}"
        if "html" in kind or "javascript" in kind:
            links = (urljoin(address, link) for link in LINK.findall(text))
            waiting += [link for link in links if link.endswith((".js", ".css", ".html"))]
    assert len(loaded) > 2, f"{path} loads nothing but {loaded}"
    return len(loaded)


def stop(server: "subprocess.Popen[str]") -> None:
    """SIGTERM ends the server in good order; only the ledger stays, and it has what was said."""
    server.send_signal(signal.SIGTERM)
    printed, _ = server.communicate(timeout=120)
    assert server.returncode in (0, -signal.SIGTERM), f"SIGTERM: status {server.returncode}\n{printed}"
    assert "Traceback" not in printed, printed
    left = [path for folder in (Path(gettempdir()), Path.home()) for path in folder.rglob("*") if path.is_file()]
    ledger = Path.home() / ".local/share/streamsrv/ledger.sqlite3"
    assert left == [ledger], f"the server left other files behind than {ledger}: {left}"
    with sqlite3.connect(ledger) as database:
        ((count,),) = database.execute("SELECT count(*) FROM charges WHERE stage = 'chat'")
    assert count, "the answer is not in the ledger"


def script() -> str:
    return str(Path(sys.prefix) / "bin/streamsrv")


def output_of(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command} ends with status {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    main()
