"""Tries in a helper process whether engines can be imported here, so that a broken library cannot end this process.

As a module it is that process: it reads `Question`s from standard input and answers each with a line of JSON.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import streamsrv
from streamsrv.engines.catalogue import CatalogueError, ModelEntry
from streamsrv.engines.loading import import_engine
from streamsrv.engines.options import NoOptions, read_options
from streamsrv.engines.readiness.import_failure import explain_import
from streamsrv.errors import EngineError
from streamsrv.processes.environment import helper_environment

TIMEOUT_S = 120.0
"""Seconds that the imports of all engines together may take."""


def find_problems(entries: Sequence[ModelEntry]) -> dict[str, str]:
    """Import the engine and the packages of each entry in a helper process and check its options.

    Returns one line for each entry that has a problem, by name. Blocks for some seconds, and loads no model.
    """
    problems: dict[str, str] = {}
    left = list(entries)
    while left:
        answers, ending = _ask(left)
        problems |= {name: problem for name, problem in answers.items() if problem}
        left = left[len(answers) :]
        if left:  # the process died of this entry; the others get a new one
            problems[left[0].name] = f"{left[0].name}: {' and '.join(left[0].requires) or 'its engine'} {ending}"
            left = left[1:]
    return problems


def _ask(entries: Sequence[ModelEntry]) -> tuple[dict[str, str], str]:
    """Return the answers, in the order of the entries, and how the process ended if it did before the last one."""
    package_folder = str(Path(streamsrv.__file__).parent.parent)
    environment = helper_environment(os.environ, package_folder=package_folder, separator=os.pathsep)
    question = {"path": sys.path, "entries": [_to_json(entry) for entry in entries]}
    command = [sys.executable, "-m", "streamsrv.engines.readiness.probe"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(question, default=str).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return _answers(error.stdout or b""), f"was not imported within {TIMEOUT_S:g} s"
    return _answers(done.stdout), f"cannot be imported: {_ending(done.returncode)}"


def _to_json(entry: ModelEntry) -> dict[str, Any]:
    fields = asdict(entry)
    return {name: fields[name] for name in ("name", "kind", "engine", "options", "requires")}


def _answers(output: bytes) -> dict[str, str]:
    complete = output[: output.rfind(b"\n") + 1].decode()
    return dict(json.loads(line) for line in complete.splitlines())


def _ending(status: int) -> str:
    if status >= 0:
        return f"its process ended with status {status}"
    hint = " (the processor lacks an instruction that it uses)" if -status == signal.SIGILL else ""
    return f"its process was ended by {signal.Signals(-status).name}{hint}"


def problem_of(entry: ModelEntry, *, in_server: bool = False) -> str:
    """Import the engine and the packages of the entry here and check its options; return what is wrong, or nothing.

    `in_server`: leave out the packages of an engine whose module says `RUNS_APART`, because the server's own process
    must not have them.
    """
    try:
        if not entry.engine:  # only packages are asked about
            return _first_problem(entry)
        engine = import_engine(entry)
        read_options(getattr(engine, "OPTIONS", NoOptions), entry)
        if in_server and getattr(engine, "RUNS_APART", False):
            return ""
    except (EngineError, CatalogueError) as error:
        return str(error)
    return _first_problem(entry)


def _first_problem(entry: ModelEntry) -> str:
    for module in entry.required_here:
        try:
            import_module(module)
        except Exception as error:
            return f"{entry.name}: {explain_import(error, entry.requires)}"
    return ""


def main() -> None:
    """Answer the questions on standard input. Libraries may write to standard output, so that goes elsewhere."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    question: Mapping[str, Any] = json.load(sys.stdin)
    sys.path[:] = question["path"]
    for fields in question["entries"]:
        requires: tuple[str, ...] = tuple(fields["requires"])
        entry = ModelEntry(
            fields["name"], fields["kind"], fields["engine"], options=fields["options"], requires=requires
        )
        print(json.dumps([entry.name, problem_of(entry)]), file=answers)
    answers.flush()
    os._exit(0)  # a library that fails at its end would hide the answers


if __name__ == "__main__":
    main()
