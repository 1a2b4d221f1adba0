"""Files that cannot be read or written end a command with one line, before it does any work."""

import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from streamsrv.audio.files import read_audio, write_wav
from streamsrv.cli import app, files

NOBODY = ("--url", "ws://127.0.0.1:9/v1/realtime")
"""There is no server, so a conversation that began would be told as such, with status 1."""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def one_line(result: Result, status: int) -> str:
    """The only line of the errors; fails for another status, or output besides."""
    assert isinstance(result.exception, SystemExit), result.exception
    [line] = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (status, ""), line
    return line


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.wav"
    write_wav(path, np.zeros(1600, np.int16), 16_000)
    return path


@pytest.fixture(params=["missing", "folder", "below a file", "not audio", "empty", "unreadable"])
def bad_input(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A path, and what is said about it."""
    path = tmp_path / "input.wav"
    match request.param:
        case "missing":
            return path, "no such file or directory"
        case "folder":
            path.mkdir()
            return path, "is a folder"
        case "below a file":
            path.write_bytes(b"")
            return path / "x.wav", "not a directory"
        case "not audio":
            path.write_text("Hello.")
            return path, "not in a known audio format"
        case "empty":
            path.write_bytes(b"")
            return path, "empty"
        case _:
            if os.getuid() == 0:
                pytest.skip("root may read every file")
            path.write_bytes(b"x")
            path.chmod(0)
            return path, "Permission denied"


@pytest.mark.parametrize("command", [("transcribe",), ("talk", *NOBODY)])
def test_a_recording_that_cannot_be_read(command: tuple[str, ...], bad_input: tuple[Path, str]):
    path, reason = bad_input
    line = one_line(run(*command, path), 2)
    assert line.startswith(f"{path} cannot be read: ")
    assert reason in line


@pytest.fixture(params=["no folder", "folder", "below a file", "read-only folder"])
def bad_output(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    match request.param:
        case "no folder":
            return tmp_path / "nowhere" / "x.wav", f"there is no folder {tmp_path / 'nowhere'}"
        case "folder":
            return tmp_path, "is a folder"
        case "below a file":
            (tmp_path / "file").write_bytes(b"")
            return tmp_path / "file" / "x.wav", f"there is no folder {tmp_path / 'file'}"
        case _:
            if os.getuid() == 0:
                return Path("/proc/streamsrv.wav"), "no such file"  # not even root may make one there
            (tmp_path / "mine").mkdir(mode=0o500)
            return tmp_path / "mine" / "x.wav", "permission denied"


def test_an_output_that_cannot_be_written(bad_output: tuple[Path, str], sound: Path):
    path, reason = bad_output
    for command in (("say", "Hello."), ("talk", *NOBODY, sound)):
        line = one_line(run(*command, "-o", path), 2)
        assert line.startswith(f"{path} cannot be written: ")
        assert reason in line


def test_the_look_at_an_output_changes_nothing(tmp_path: Path, sound: Path):
    kept = tmp_path / "kept.wav"
    kept.write_bytes(b"kept")
    for path in (kept, tmp_path / "new.wav"):
        assert "is the server running" in one_line(run("talk", *NOBODY, sound, "-o", path), 1)
    assert kept.read_bytes() == b"kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.wav", "sound.wav"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_named(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(files.typer.Exit) as ended:
        files.write_output(Path("/dev/full"), np.zeros(100_000, np.int16), 16_000)
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == "/dev/full cannot be written: no space left on device.\n"


def test_a_file_that_could_be_written_in_part_only_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "reply.wav"

    def fill_the_disk(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(bytes(data)[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    with pytest.raises(files.typer.Exit):
        files.write_output(path, np.zeros(1000, np.int16), 16_000)
    assert not path.exists()


def test_what_is_written_can_be_read(tmp_path: Path):
    pcm = np.arange(-800, 800, dtype=np.int16)
    files.write_output(tmp_path / "sound.wav", pcm, 16_000)
    np.testing.assert_array_equal(read_audio(tmp_path / "sound.wav"), pcm)


@pytest.mark.parametrize("url", ["ftp://example.org", "http://127.0.0.1:x", "http://[::1", "ws://:80/v1/realtime", ""])
def test_a_url_that_is_none_is_named(url: str, sound: Path):
    assert f"'{url}' is not a URL of a server" in one_line(run("talk", sound, "--url", url), 2)
    assert f"'{url}' is not a URL of a server" in one_line(run("conformance", url), 2)
