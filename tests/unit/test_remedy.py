"""The one line that says all that is missing, and the one command that mends it."""

from pathlib import Path

import pytest

from streamsrv.engines.readiness.needs import Need
from streamsrv.engines.readiness.remedy import explain, find_installer, install_command

SPEECH = Need("package", "pip install 'streamsrv[speech]'", packages=("streamsrv[speech]",))
LLAMA = Need("package", "pip install 'streamsrv[llamacpp]'", packages=("streamsrv[llamacpp]",))

FOLDER = Path("/srv/weights")


def weights(model: str, size: int) -> Need:
    return Need("weights", f"streamsrv pull {model}", model=model, size=size)


def test_a_bare_install_is_told_one_command_with_the_size():
    line = explain(
        {
            "silero": [SPEECH, weights("silero", 1_000_000)],
            "hibari": [SPEECH],
            "smollm2-135m": [LLAMA, weights("smollm2-135m", 2_000_000)],
        },
        FOLDER,
        unpulled=["silero", "smollm2-135m"],
    )
    assert line == (
        "packages are missing for silero, hibari, smollm2-135m; "
        "weights are missing for silero, smollm2-135m in /srv/weights. "
        "Run: pip install 'streamsrv[local]' && streamsrv pull  (3.0 MB of weights)"
    )


def test_models_that_are_not_the_default_are_named():
    line = explain({"whisper": [weights("whisper", 5_000)]}, FOLDER, unpulled=["silero"])
    assert line.endswith("Run: streamsrv pull whisper  (5.0 kB of weights)")


def test_keys_and_broken_engines_are_told_beside_the_command():
    lacking = {"gpt": [Need("key", "set GPT_KEY")], "small": [Need("engine", "x cannot be imported"), LLAMA]}
    line = explain(lacking, FOLDER)
    assert line == (
        "packages are missing for small; small: x cannot be imported; gpt needs a key: set GPT_KEY. "
        "Run: pip install 'streamsrv[llamacpp]'"
    )


@pytest.mark.parametrize(
    ("installer", "command"),
    [
        ("pip", "pip install 'streamsrv[local,openai]' other"),
        ("uv pip", "uv pip install 'streamsrv[local,openai]' other"),
        ("pipx", "pipx install --force 'streamsrv[local,openai]' && pipx inject streamsrv other"),
        ("uv tool", "uv tool install 'streamsrv[local,openai]' --with other"),
    ],
)
def test_the_command_is_that_of_the_installer(installer, command: str):
    packages = ["streamsrv[speech]", "streamsrv[llamacpp]", "streamsrv[openai]", "other"]
    assert install_command(packages, installer) == command


@pytest.mark.parametrize(("file", "installer"), [("pipx_metadata.json", "pipx"), ("uv-receipt.toml", "uv tool")])
def test_the_installer_is_known_by_its_file(tmp_path: Path, file: str, installer: str):
    (tmp_path / file).touch()
    assert find_installer(tmp_path) == installer
