"""Stands for `streamsrv` in the shell blocks of the documents: the same command, fitted to a test.

`talk` goes to the test's server unless the block names another. `serve` takes any free port, and is stopped, as Ctrl-C
does it, as soon as it listens.
"""

import os
import signal
import subprocess
import sys

COMMAND = [sys.executable, "-m", "streamsrv"]


def main() -> int:
    arguments = sys.argv[1:]
    match arguments:
        case ["serve", *_] if "--help" not in arguments:
            return _serve(arguments)
        case ["talk", *_] if "--url" not in arguments and "--help" not in arguments:
            arguments += ["--url", os.environ["DOCUMENTS_SERVER"]]
    return subprocess.run([*COMMAND, *arguments], check=False).returncode


def _serve(arguments: list[str]) -> int:
    if "--port" in arguments:
        at = arguments.index("--port")
        arguments = arguments[:at] + arguments[at + 2 :]
    process = subprocess.Popen([*COMMAND, *arguments, "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="")
        if "Listening on" in line:
            process.send_signal(signal.SIGINT)
            break
    print(process.stdout.read(), end="")
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
