"""Helper processes run under the Python of another environment, which has packages of its own."""

import asyncio
import sys
import venv
from pathlib import Path

import msgspec
import numpy
import pytest

from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.engines.tts.process.messages import Load
from streamsrv.engines.tts.process.synthesizer import ProcessSynthesizer
from streamsrv.errors import Unavailable
from streamsrv.processes.interpreter import check, command, lacking

PATIENCE_S = 30


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment without any package, also not ours."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    return folder


@pytest.fixture
def equipped(environment: Path):
    """The environment with what a helper process needs, and the fake model."""
    (packages,) = environment.glob("lib/python*/site-packages")
    links = {packages / "msgspec": Path(msgspec.__file__).parent, packages / "numpy": Path(numpy.__file__).parent}
    for numpy_libs in Path(numpy.__file__).parents[1].glob("numpy.libs"):
        links[packages / "numpy.libs"] = numpy_libs
    links[packages / "fake_speech_loop.py"] = Path(__file__).with_name("fake_speech_loop.py")
    for link, target in links.items():
        link.symlink_to(target)
    yield environment
    for link in links:
        link.unlink()


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


async def test_a_model_speaks_in_another_environment_which_has_only_its_own_packages(
    equipped: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", "/nowhere")  # not for another Python
    python = str(equipped / "bin/python")
    synthesizer = ProcessSynthesizer(
        Load("fake_speech_loop", "fake", {}, {}), name="fake", python=python, requires=["fake_speech_loop"]
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            chunks = [chunk async for chunk in synthesizer.stream("one where", SpeechOptions())]
        assert [word.text for chunk in chunks for word in chunk.words] == ["one", str(equipped)]
    finally:
        await synthesizer.aclose()


async def test_what_it_lacks_is_named_before_anything_is_loaded(environment: Path):
    python = environment / "bin/python"
    assert lacking(str(python), ["json", "TTS"]) == ["msgspec", "TTS"]
    synthesizer = ProcessSynthesizer(
        Load("fake_speech_loop", "fake", {}, {}), name="fake", python=str(python), requires=["TTS"], extra="xtts"
    )
    lacks = (
        rf"fake: the environment of {python} lacks the modules msgspec, TTS: {python} -m pip install 'streamsrv\[xtts]'"
    )
    with pytest.raises(Unavailable, match=lacks):
        await synthesizer.warm_up()
    await synthesizer.aclose()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("echo '[[3, 9], []]'", r"is Python 3\.9; accepted: 3\.11 or newer"),
        ("echo hello", "does not answer as a Python does"),
        ("exit 1", "does not answer as a Python does"),
    ],
)
def test_what_is_no_python_that_can_run_is_refused(tmp_path: Path, answer: str, reason: str):
    python = script(tmp_path / "python", answer)
    with pytest.raises(Unavailable, match=rf"python: '{python}' {reason}"):
        check(python, [])


@pytest.mark.parametrize("python", ["/no/such/python", "no-such-command", ""])
def test_a_path_without_a_program_is_refused(python: str):
    with pytest.raises(Unavailable, match=rf"python: '{python}' cannot be run; accepted: the path of a Python"):
        lacking(python, [])


def test_the_servers_own_python_needs_no_check():
    assert command(None, "some.module") == [sys.executable, "-P", "-m", "some.module"]
