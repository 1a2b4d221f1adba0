"""Run the browser tests: `python tests/browser [-n PROCESSES] [pytest arguments]`.

They run in a network namespace that has nothing but loopback, where this user may make one: a browser and a WebRTC
server then offer each other no address of the outside. Each process has one of its own, because tests cut it off.
What fails beside another process runs once more, alone, and must pass then.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from chromium import CHROMIUM
from network import OURS

TESTS = Path(__file__).parent
NAMESPACE = ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--map-current-user", "--keep-caps", "--net"]
LOOPBACK_ONLY = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def main() -> int:
    if not CHROMIUM.exists():
        print(f"Browser tests not run: there is no {CHROMIUM} (Debian: apt-get install chromium pulseaudio).")
        return 0
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-n", dest="processes", type=int, default=1)
    options, arguments = parser.parse_known_args()
    if not any(Path(argument.partition("::")[0]).exists() for argument in arguments):
        arguments.append(str(TESTS))
    python = [sys.executable]
    environment = dict(os.environ)
    if namespace_allowed():
        python = [*NAMESPACE, *LOOPBACK_ONLY, sys.executable]
        environment[OURS] = "1"
    else:
        print("Browser tests run in the ordinary network: this user cannot make a network namespace.")
    if options.processes > 1:
        workers = f"--tx={options.processes}*popen//python={shlex.join(python)}"
        command = [sys.executable, "-m", "pytest", workers, "--dist=loadfile", *arguments]
    else:
        command = [*python, "-m", "pytest", *arguments]
    result = subprocess.run(command, env=environment, check=False).returncode
    if result == SOME_FAILED and options.processes > 1:
        # Spoken tests need a processor in time; beside another browser on two cores they may not get it.
        print("What failed beside another process runs once more, alone.", flush=True)
        again = [*python, "-m", "pytest", "--last-failed", "--last-failed-no-failures=none", *arguments]
        result = subprocess.run(again, env=environment, check=False).returncode
    return 0 if result == NO_TESTS_COLLECTED else result


SOME_FAILED = 1
"""pytest's exit status when tests ran and some failed."""
NO_TESTS_COLLECTED = 5
"""pytest's exit status when `-k` picks none of these tests, which may well pick some of the others."""


def namespace_allowed() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    return subprocess.run([*NAMESPACE, *LOOPBACK_ONLY, "true"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
