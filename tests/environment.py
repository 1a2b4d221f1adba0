"""Takes the settings of the developer's environment away from the tests."""

import os

SETTINGS_OF_OTHERS = (
    "STREAMSRV_",
    "OPENAI_",
    "GEMINI_",
    "DEEPSEEK_",
    "ANTHROPIC_",
    "HF_",
    "OTEL_",
    "UVICORN_",
    "LISTEN_",
    "NOTIFY_",
)
"""How the variables begin that change what a server does."""
KEPT = ("STREAMSRV_MODEL_FOLDER", "STREAMSRV_TESTS_")
"""Where the weights are, and what the tests tell each other."""


def forget_settings() -> None:
    """Delete the variables that change what a server does."""
    for name in list(os.environ):
        is_setting = name.startswith(SETTINGS_OF_OTHERS) and not name.startswith(KEPT)
        if is_setting or name.lower().endswith("_proxy"):
            del os.environ[name]
