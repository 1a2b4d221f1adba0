"""The command espeak-ng: how it is ended, and what becomes of a program that does not behave (these are fakes)."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.needs import Need, needs
from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.engines.tts.espeak_ng.command import EspeakRun, plain
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Priority, Scheduler

LIST = "echo 'Pty Language Age/Gender VoiceName File'; echo ' 5  de  --/M  German  gmw/de'"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a shell script in the place of espeak-ng; it still lists one voice."""

    def install(script: str) -> None:
        path = tmp_path / "espeak-ng"
        path.write_text(f'#!/bin/sh\nif [ "$1" = --voices ]; then {LIST}; exit; fi\n{script}\n')
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return install


def speak(max_bytes: int = 1000, timeout_s: float = 30.0) -> bytes:
    return EspeakRun(["--stdout"], ["hello"], max_bytes=max_bytes, timeout_s=timeout_s).run()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("cat >/dev/null; exit 3", "ended with status 3"),
        ("kill -9 $$", "ended with status -9"),
        ("exec yes", "wrote more than 1000 bytes for 5 characters"),
    ],
)
def test_a_program_that_fails_or_never_ends_is_unavailable(program, script: str, says: str):
    program(script)
    with pytest.raises(Unavailable, match=says):
        speak()


def test_a_program_that_hangs_is_ended(program):
    program("exec sleep 1000")
    with pytest.raises(Unavailable, match=r"did not end within 0\.2 s"):
        speak(timeout_s=0.2)


def test_a_missing_program_is_told_at_the_start_and_when_it_is_run(monkeypatch: pytest.MonkeyPatch):
    entry = load_catalogue()["espeak"]
    remedy = "install the program espeak-ng (Debian, Ubuntu: apt-get install espeak-ng)"
    assert needs(entry, ModelStore(), {"PATH": "/nowhere"}) == [Need("command", remedy)]
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable, match="espeak-ng cannot be run: No such file"):
        speak()


@pytest.mark.parametrize("says", ["OK", "RIFF" + "x" * 100])
async def test_output_that_is_no_speech_is_unavailable(program, says: str):
    program(f"cat >/dev/null; echo {says}")
    synthesizer = load_engine(load_catalogue()["espeak"], LoadContext(Scheduler(1), {}))
    with pytest.raises(Unavailable, match="no WAV file at 22050 Hz"):
        await anext(synthesizer.stream("Hallo", SpeechOptions(language="de")))


def test_the_text_is_only_text():
    assert plain("a\0b\nc [[d]]\ud800") == "a b c [ [ d]]?"
    assert "[[" not in plain("[[[a]]] [[[[b")


def test_a_run_that_was_killed_ends_without_a_result(program, tmp_path: Path):
    started = tmp_path / "started"
    os.mkfifo(started)
    program(f"echo x >{started}; exec sleep 1000")
    run, results = EspeakRun([], ["hello"], max_bytes=1000), []
    thread = threading.Thread(target=lambda: results.append(run.run()))
    thread.start()
    started.read_text()  # waits for the program
    run.kill()
    thread.join(30)
    assert results == [b""]
    assert EspeakRun.run(run) == b""  # is not started again


async def test_a_command_that_hangs_keeps_no_model_waiting_and_ends_when_it_is_cancelled(program, tmp_path: Path):
    started = tmp_path / "started"
    os.mkfifo(started)
    program(f"echo x >{started}; exec sleep 1000")
    scheduler = Scheduler(1)
    synthesizer = load_engine(load_catalogue()["espeak"], LoadContext(scheduler, {}))
    waiting = asyncio.ensure_future(anext(synthesizer.stream("Hallo", SpeechOptions(language="de"))))
    await asyncio.to_thread(started.read_text)
    async with asyncio.timeout(5):  # less than the command may take
        assert await scheduler.run(Priority.PARTIAL, lambda: "free") == "free"
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await synthesizer.aclose()  # waits for its threads, and so for the command
    scheduler.close()
