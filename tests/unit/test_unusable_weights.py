"""Weights that cannot be read, disks that are full, and what a failed fetch leaves behind."""

import contextlib
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamsrv.engines.catalogue import ModelEntry, Source, WeightFile
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights import store as weights
from streamsrv.engines.weights.sources import pip_reason
from streamsrv.engines.weights.store import FetchFailed, ModelStore, UnreadableWeights

DATA = bytes(200_000)
PACKAGE = Source("package", "fake_weights_package", "model.bin")
WEIGHT = WeightFile("model.bin", len(DATA), hashlib.sha256(DATA).hexdigest(), (PACKAGE,))
ENTRY = ModelEntry("tiny", "recognizer", "moonshine", weights=(WEIGHT,))
NOBODY = 65534


@pytest.fixture
def store() -> Iterator[ModelStore]:
    """A model folder that other users may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield ModelStore(Path(folder, "models"))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "fake_weights_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "model.bin").write_bytes(DATA)
    monkeypatch.syspath_prepend(tmp_path)


def place(store: ModelStore) -> Path:
    path = store.folder / "tiny" / "model.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    store.locate(ENTRY)  # leaves a stamp
    return path


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Run as another user if this is root, whom no permission stops."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("what", ["file", "folder", "models"])
def test_weights_without_permission_are_named_with_the_remedy(store: ModelStore, what: str):
    path = place(store)
    culprit = {"file": path, "folder": path.parent, "models": store.folder}[what]
    culprit.chmod(0)
    try:
        with unprivileged(), pytest.raises(UnreadableWeights) as raised:
            store.locate(ENTRY)
        with unprivileged():
            lacking = needs(ENTRY, store)
    finally:
        culprit.chmod(0o755)
    assert str(raised.value).startswith(f"{path} cannot be read: Permission denied; {culprit} belongs to ")
    assert str(raised.value).endswith(f"chmod -R a+rX {culprit}")
    assert [str(need) for need in lacking] == [f"weights: {raised.value}"]


def test_a_folder_in_place_of_a_file_is_named(store: ModelStore):
    path = store.folder / "tiny" / "model.bin"
    path.mkdir(parents=True)
    with pytest.raises(UnreadableWeights, match=rf"{path} is a folder, but must be the weight file: remove it"):
        store.fetch(ENTRY)


def test_a_link_to_itself_is_named(store: ModelStore):
    path = store.folder / "tiny" / "model.bin"
    path.parent.mkdir(parents=True)
    path.symlink_to(path)
    with pytest.raises(UnreadableWeights, match=rf"{path} cannot be read: Too many levels of symbolic links"):
        store.locate(ENTRY)


@pytest.mark.usefixtures("package")
def test_a_broken_link_is_replaced(store: ModelStore):
    path = store.folder / "tiny" / "model.bin"
    path.parent.mkdir(parents=True)
    path.symlink_to(store.folder / "gone")
    assert store.fetch(ENTRY) == {"model.bin": path}
    assert path.read_bytes() == DATA


@pytest.mark.usefixtures("package")
def test_a_disk_without_room_is_told_before_anything_is_fetched(store: ModelStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights, "_free_bytes", lambda _: 1000)
    with pytest.raises(FetchFailed, match=rf"200\.0 kB are needed in {store.folder}.* but 1\.0 kB are free: make room"):
        store.fetch(ENTRY)
    with pytest.raises(FetchFailed, match="are needed"):
        store.check_space([ENTRY])
    assert not store.folder.exists()


@pytest.mark.usefixtures("package")
def test_a_disk_that_fills_up_is_named_and_no_partial_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here, which needs root and the right to mount")
    try:
        monkeypatch.setattr(weights, "_free_bytes", lambda _: None)
        with pytest.raises(FetchFailed, match="No space left on device"):
            ModelStore(disk).fetch(ENTRY)
        assert list(disk.rglob("*.part")) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.usefixtures("package")
def test_what_ends_a_fetch_leaves_no_partial_file(store: ModelStore, monkeypatch: pytest.MonkeyPatch):
    def interrupted(source: object, target: Path) -> None:
        target.write_bytes(b"part")
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "copy_from_package", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.fetch(ENTRY)
    assert sorted(path.name for path in (store.folder / "tiny").iterdir()) == [".lock"]


def test_a_pull_is_seen_by_others_while_it_lasts(store: ModelStore):
    assert not store.is_being_pulled()
    with store.pulling():
        assert store.is_being_pulled()
        with store.pulling():
            assert store.is_being_pulled()
    assert not store.is_being_pulled()


TRACEBACK = """ERROR: Exception:
Traceback (most recent call last):
  File "pip/_internal/cli/base_command.py", line 180, in exc_logging_wrapper
    status = run_func(*args)
OSError: [Errno 28] No space left on device
"""
UNREACHABLE = """WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by \
'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new \
connection: [Errno 111] Connection refused')': /simple/x/
ERROR: Could not find a version that satisfies the requirement x (from versions: none)
ERROR: No matching distribution found for x
"""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (TRACEBACK, "OSError: [Errno 28] No space left on device"),
        (
            UNREACHABLE,
            "the package index cannot be reached: Failed to establish a new connection: [Errno 111] Connection refused",
        ),
        (UNREACHABLE.replace("total=0", "total=4"), "No matching distribution found for x"),
        ("no such option\n\n", "no such option"),
        ("", "pip gave no reason"),
    ],
)
def test_pips_own_reason_is_told(said: str, reason: str):
    assert pip_reason(said) == reason
