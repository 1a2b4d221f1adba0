"""A helper process for tests that takes three seconds to start."""

import time

time.sleep(3)

from echo_worker import Echo  # noqa: E402

from streamsrv.processes.worker_main import run_worker  # noqa: E402

if __name__ == "__main__":
    run_worker(Echo().run)
