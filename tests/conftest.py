"""What all tests share."""

import os
import socket
from collections.abc import Generator
from contextlib import suppress

import pytest
from hypothesis import settings

from streamsrv.telemetry import OFF

# A busy machine must not fail a test: how long things take belongs in benchmarks/.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")

SETTINGS_OF_OTHERS = ("STREAMSRV_", "OPENAI_", "GEMINI_", "DEEPSEEK_", "HF_", "OTEL_", "UVICORN_", "LISTEN_", "NOTIFY_")
"""How the variables begin that change what a server does."""
KEPT = ("STREAMSRV_MODEL_FOLDER", "STREAMSRV_TESTS_")
"""Where the weights are, and what the tests tell each other."""

for name in list(os.environ):
    is_setting = name.startswith(SETTINGS_OF_OTHERS) and not name.startswith(KEPT)
    if is_setting or name.lower().endswith("_proxy"):
        del os.environ[name]
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
