"""What all tests share."""

import os
import socket
from collections.abc import Generator
from contextlib import suppress

import pytest
from hypothesis import settings

from environment import forget_settings
from streamsrv.telemetry import OFF

# A busy machine must not fail a test: how long things take belongs in benchmarks/.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")

# A failed check of these modules shows its values, as one in a test does.
pytest.register_assert_rewrite("assemblyai_hearing", "phone_exchange", "recognizer_chain", "two_speed_pair")

forget_settings()
os.environ |= OFF


@pytest.fixture(scope="session", autouse=True)
def _as_on_any_machine(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Take away what a developer's machine may have besides: settings files, and a free port 8000.

    Tests run in a folder without a settings file, and port 8000 is taken, as by a running server.
    """
    empty = tmp_path_factory.mktemp("no-settings")
    with pytest.MonkeyPatch.context() as patch, socket.socket() as taken:
        patch.chdir(empty)
        patch.setenv("XDG_CONFIG_HOME", str(empty))
        with suppress(OSError):  # it is taken already
            taken.bind(("127.0.0.1", 8000))
        yield
