"""Files for the states of conversations: a library opens them by path, and no end of the process leaves one."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from streamsrv.engines.llm.llama import saved_states
from streamsrv.engines.llm.llama.saved_states import NamedStates, SavedStates, UnnamedStates

HAS_DESCRIPTORS = Path("/proc/self/fd").exists()
unnamed = pytest.mark.skipif(not HAS_DESCRIPTORS, reason="there is no /proc/self/fd")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(params=[pytest.param(UnnamedStates, marks=unnamed), NamedStates])
def states(request: pytest.FixtureRequest, temporary: Path):
    made: SavedStates = request.param()
    yield made
    made.close()
    assert list(temporary.iterdir()) == []


def path(states: SavedStates, number: int) -> Path:
    return Path(states.folder + states.name(number))


def test_what_is_saved_under_a_number_is_read_under_it(states: SavedStates):
    path(states, 1).write_bytes(b"a long first state")
    path(states, 2).write_bytes(b"second")
    path(states, 1).write_bytes(b"first")
    assert path(states, 1).read_bytes() == b"first"
    assert path(states, 2).read_bytes() == b"second"


def test_a_deleted_state_is_gone_and_its_number_can_be_used_again(states: SavedStates):
    path(states, 1).write_bytes(b"first")
    states.delete(1)
    states.delete(7)
    path(states, 2).write_bytes(b"2")
    assert path(states, 2).read_bytes() == b"2"
    path(states, 1).write_bytes(b"again")
    assert path(states, 1).read_bytes() == b"again"


@unnamed
def test_a_path_never_leads_to_another_file_of_the_process(temporary: Path):
    """A descriptor that is closed gets a new file; a library that is late would then overwrite that one."""
    states = UnnamedStates()
    late = path(states, 1)
    states.delete(1)
    with (temporary / "other").open("wb") as other:
        other.write(b"precious")
        other.flush()
        late.write_bytes(b"late")
        assert (temporary / "other").read_bytes() == b"precious"
    states.close()


@unnamed
def test_files_have_no_names(temporary: Path):
    states = UnnamedStates()
    path(states, 1).write_bytes(b"first")
    assert list(temporary.iterdir()) == []
    states.close()


def test_named_files_are_only_for_this_user(temporary: Path):
    states = NamedStates()
    assert Path(states.folder).stat().st_mode & 0o077 == 0
    states.close()


def test_the_files_of_a_process_that_was_killed_are_deleted_and_those_of_a_running_one_stay(temporary: Path):
    code = f"""
import sys, tempfile
tempfile.tempdir = {str(temporary)!r}
from streamsrv.engines.llm.llama.saved_states import NamedStates
states = NamedStates()
open(states.folder + states.name(1), "wb").write(b"said")
print(states.folder, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().decode().strip())
        NamedStates().close()
        assert (folder / "1").read_bytes() == b"said"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (folder / "1").exists()
    NamedStates().close()
    assert not folder.exists()


def test_named_files_are_used_where_descriptors_cannot_be_opened_by_path(temporary: Path, monkeypatch):
    monkeypatch.setattr(saved_states, "_DESCRIPTORS", str(temporary / "missing"))
    states = saved_states.saved_states()
    assert isinstance(states, NamedStates)
    states.close()
