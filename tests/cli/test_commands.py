"""The commands as a user runs them: separate processes, real models."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

from recordings import recording
from streamsrv.audio.files import read_audio, write_wav
from streamsrv.engines.catalogue import DEFAULT_MODELS, load_catalogue
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore

FIXTURES = Path(__file__).parents[2] / "fixtures"
COMMAND = [sys.executable, "-m", "streamsrv"]


@pytest.fixture(scope="module", autouse=True)
def _default_models() -> None:
    catalogue, store = load_catalogue(), ModelStore()
    for name in DEFAULT_MODELS.values():
        if lacking := needs(catalogue[name], store):
            pytest.skip(f"{name} is not ready: {lacking[0]}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty working folder: no streamsrv.toml in it."""
    return tmp_path_factory.mktemp("commands")


def run(*arguments: object, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def server_url(folder: Path) -> Generator[str]:
    """A running `streamsrv serve` with the embedded models."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--chat", "smollm2-135m"], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if found := re.search(r"ws://\S+?(?=\))", line):
            break
    else:
        pytest.fail(f"the server did not start:\n{output}")
    yield found[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0, "Ctrl-C ends the server, and that is no failure"


def test_a_recording_is_transcribed(folder: Path):
    done = run("transcribe", recording("beckett.wav"), folder=folder)
    assert done.returncode == 0, done.stderr
    assert "fail" in done.stdout.lower()


def test_what_is_said_can_be_understood(folder: Path):
    spoken = folder / "spoken.wav"
    done = run("say", "The train to **London** leaves at 9:30 from platform 4.", "-o", spoken, folder=folder)
    assert done.returncode == 0, done.stderr
    text = run("transcribe", spoken, folder=folder).stdout.lower()
    for word in ("train", "london", "leaves", "thirty", "platform", "four"):
        assert word in text.replace("9:30", "nine thirty").replace("4", "four"), text
    assert "asterisk" not in text


def test_talking_prints_both_transcripts_and_saves_the_reply(folder: Path, server_url: str):
    question = folder / "question.wav"
    run("say", "What is the capital of France?", "-o", question, folder=folder)
    reply = folder / "reply.wav"
    done = run("talk", question, "--url", server_url, "-o", reply, folder=folder)
    assert done.returncode == 0, done.stderr
    assert re.search(r"you: +What is the capital of France\?", done.stdout), done.stdout
    assert re.search(r"reply: +\w+", done.stdout)
    assert re.search(r"first sound \d+ ms", done.stdout)
    assert len(read_audio(reply)) > 8000


def test_talking_silence_ends_without_a_reply(folder: Path, server_url: str):
    silence = folder / "silence.wav"
    write_wav(silence, np.zeros(16_000, np.int16), 16_000)
    done = run("talk", silence, "--url", server_url, "--patience", 1000, folder=folder)
    assert done.returncode == 1
    assert "nothing was recognised" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serve", "--host", "0.0.0.0"], "STREAMSRV_API_KEYS"),
        (["serve", "--port", "0", "--chat", "no-such-model"], "no-such-model"),
        (["serve", "--port", "99999"], "port"),
        (["say", "***", "-o", "out.wav"], "nothing that can be spoken"),
        (["say", "hi", "-o", "out.wav", "--voice", "nope"], "Invalid value 'nope' for '--voice': accepted are 'heart'"),
        (["conformance", "http://127.0.0.1:1", "--key", "a\nb"], "no HTTP header"),
        (["talk", str(FIXTURES / "is_the_front_door_locked.flac"), "--key", "ключ"], "no HTTP header"),
        (["call", "--say", "hello", "--key", "a\tb"], "no HTTP header"),
    ],
)
def test_a_mistake_is_explained_without_a_traceback(arguments: list[str], said: str, folder: Path):
    done = run(*arguments, folder=folder)
    assert done.returncode != 0
    assert said.lower() in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_a_language_that_no_voice_speaks_is_told_with_what_would_speak_it(folder: Path):
    done = run("say", "Hallo", "--language", "de", "-o", "out.wav", folder=folder, PATH="/nowhere")
    assert done.returncode == 2
    assert "Invalid value 'de' for '--language'" in done.stderr
    assert "install the program espeak-ng" in done.stderr


def test_a_busy_port_is_found_before_the_models_load(folder: Path, server_url: str):
    port = re.search(r":(\d+)/", server_url)
    assert port is not None
    done = run("serve", "--port", port[1], folder=folder)
    assert done.returncode == 1
    assert "choose another" in done.stderr
    assert "Loading" not in done.stdout


@pytest.mark.parametrize(
    "name", ["is_the_front_door_locked", pytest.param("lock_the_front_door", marks=pytest.mark.slow)]
)
def test_talking_ends_when_the_conversation_does(name: str, folder: Path, server_url: str):
    """Both end in background noise, in which the server may answer before the file is sent; none waits for patience."""
    address = server_url.replace("ws:", "http:").replace("/realtime", "")
    done = run("talk", FIXTURES / f"{name}.flac", "--url", address, "--patience", 1000, folder=folder)
    assert done.returncode == 0, done.stderr
    assert "front door" in done.stdout.lower()
    assert "first sound" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["models"], ["doctor", "--help"]])
def test_a_full_disk_behind_the_standard_output_is_one_line(arguments: list[str], folder: Path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "No space left on device\n")


def test_talking_to_nobody_says_so(folder: Path):
    done = run("talk", recording("beckett.wav"), "--url", "ws://127.0.0.1:9/v1/realtime", folder=folder)
    assert done.returncode == 1
    assert "is the server running?" in done.stderr
