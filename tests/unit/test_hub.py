"""Weight files whose hash nobody knows before: checked against what a hub states, and later without it.

The hub is a double on loopback (`hub_double.py`).
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_double import COMMIT, HubDouble, Repository, serve_hub
from streamsrv.engines.model_entry import ModelEntry, Source, WeightFile
from streamsrv.engines.weights import hub as weights_hub
from streamsrv.engines.weights.store import FetchFailed, MissingWeights, ModelStore

DATA = bytes(range(256)) * 4096
CONFIG = b'{"layers": 4}'
NAME = "someone/model"
FILES = {"model.bin": DATA, "config.json": CONFIG}


def entry(*names: str, revision: str = "main", **sizes: int) -> ModelEntry:
    files = [
        WeightFile(
            name, sizes.get(name.partition(".")[0], len(FILES[name])), "", (Source("hub", NAME, name, revision),)
        )
        for name in names or FILES
    ]
    return ModelEntry("tiny", "recognizer", "faster_whisper", weights=tuple(files))


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubDouble]:
    monkeypatch.setattr(weights_hub, "RETRY_PAUSES_S", (0.0, 0.0))
    for name in ("HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    hub = HubDouble({NAME: Repository(dict(FILES))})
    with serve_hub(hub) as address:
        monkeypatch.setenv("STREAMSRV_HUB", f"{address}/")
        yield hub


def held(store: ModelStore) -> list[str]:
    return sorted(path.name for path in (store.folder / "tiny").iterdir() if not path.name.startswith(".lock"))


def without_hub(hub: HubDouble) -> None:
    hub.repositories.clear()
    hub.requests.clear()


def test_files_are_checked_against_what_the_hub_states(store: ModelStore, hub: HubDouble):
    seen: list[tuple[str, int, int]] = []
    found = store.fetch(entry(), lambda *progress: seen.append(progress))
    assert {name: path.read_bytes() for name, path in found.items()} == FILES
    assert seen[-1] == ("config.json", len(CONFIG), len(CONFIG))
    assert ("model.bin", len(DATA), len(DATA)) in seen
    assert [method for method, _, _ in hub.requests] == ["HEAD", "GET", "HEAD", "GET"]


def test_later_starts_need_no_hub(store: ModelStore, hub: HubDouble):
    store.fetch(entry())
    without_hub(hub)
    assert set(ModelStore(store.folder).locate(entry())) == set(FILES)
    assert hub.requests == []


def test_a_copied_folder_is_verified_by_its_record(store: ModelStore, hub: HubDouble, tmp_path: Path):
    store.fetch(entry())
    without_hub(hub)
    shutil.copytree(store.folder, tmp_path / "copy", copy_function=shutil.copy)  # which gives the files new times
    for path in (tmp_path / "copy" / "tiny").iterdir():
        os.utime(path, ns=(0, 0))
    assert set(ModelStore(tmp_path / "copy").locate(entry())) == set(FILES)


@pytest.mark.parametrize("wrong", [DATA[:-1], DATA[:-1] + b"!"], ids=["truncated", "changed"])
def test_a_file_that_is_damaged_later_is_refused_without_the_hub(store: ModelStore, hub: HubDouble, wrong: bytes):
    path = store.fetch(entry())["model.bin"]
    path.write_bytes(wrong)
    os.utime(path, ns=(0, 0))
    without_hub(hub)
    with pytest.raises(MissingWeights, match=r"tiny lacks model\.bin: run streamsrv pull tiny"):
        store.locate(entry())
    with pytest.raises(FetchFailed, match=r"model\.bin was not pulled, or has changed since"):
        store.fetch(entry())


def test_a_damaged_record_makes_the_file_be_checked_against_the_hub_and_kept(store: ModelStore, hub: HubDouble):
    path = store.fetch(entry())["model.bin"]
    path.with_name(".model.bin.json").write_text('{"origin": 3, "sha256": "x"}')
    hub.stored.clear()
    store.fetch(entry())
    assert hub.stored == []
    assert json.loads(path.with_name(".model.bin.json").read_bytes())["sha256"] == hashlib.sha256(DATA).hexdigest()


def test_a_file_put_there_by_hand_is_used_once_the_hub_confirms_it(store: ModelStore, hub: HubDouble):
    folder = store.folder / "tiny"
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(DATA)
    with pytest.raises(MissingWeights):
        store.locate(entry("model.bin"))
    store.fetch(entry("model.bin"))
    assert hub.stored == []
    assert set(store.locate(entry("model.bin"))) == {"model.bin"}


def test_another_revision_in_the_entry_is_fetched_anew(store: ModelStore, hub: HubDouble):
    store.fetch(entry())
    newer = "d" * 40
    hub.repositories[NAME] = Repository({**FILES, "model.bin": DATA + b"!"}, commit=newer)
    assert store.fetch(entry(revision=newer))["model.bin"].read_bytes() == DATA + b"!"


def test_all_files_come_from_one_commit(store: ModelStore, hub: HubDouble):
    store.fetch(entry("model.bin"))
    hub.requests.clear()
    store.fetch(entry())
    assert {path for _, path, _ in hub.requests} == {f"/{NAME}/resolve/{COMMIT}/config.json"}


def test_a_repository_that_moved_is_followed_on_the_hub(store: ModelStore, hub: HubDouble):
    hub.repositories["someone/new"] = hub.repositories.pop(NAME)
    hub.moved[NAME] = "someone/new"
    assert store.fetch(entry())["model.bin"].read_bytes() == DATA


# --- broken and wrong downloads ---------------------------------------------------------------------------------------


def test_a_cut_download_is_resumed_where_it_stopped(store: ModelStore, hub: HubDouble):
    hub.cuts = [1000]
    assert store.fetch(entry("model.bin"))["model.bin"].read_bytes() == DATA
    assert [span for _, span, _ in hub.stored] == [None, "bytes=1000-"]


def test_a_download_that_stands_still_is_given_up_and_resumed(
    store: ModelStore, hub: HubDouble, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(weights_hub, "TIMEOUT_S", 2.0)
    hub.stalls = 1
    assert store.fetch(entry("model.bin"))["model.bin"].read_bytes() == DATA
    assert [span for _, span, _ in hub.stored] == [None, f"bytes={len(DATA) // 2}-"]


def test_a_long_download_may_break_off_more_often_than_a_short_one(
    store: ModelStore, hub: HubDouble, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(weights_hub, "PROGRESS_BYTES", 1000)
    hub.cuts = [1000] * 12
    assert store.fetch(entry("model.bin"))["model.bin"].read_bytes() == DATA


def test_a_hub_that_always_breaks_off_is_given_up(store: ModelStore, hub: HubDouble):
    hub.cuts = [10] * 10
    with pytest.raises(FetchFailed, match=r"ended after 30 of 1048576 bytes \(3 attempts; what arrived is kept"):
        store.fetch(entry("model.bin"))
    assert held(store) == [".model.bin.part"]


def test_wrong_bytes_are_deleted_and_explained(store: ModelStore, hub: HubDouble):
    hub.served[hashlib.sha256(DATA).hexdigest()] = wrong = DATA[:-1] + b"!"
    with pytest.raises(FetchFailed, match=f"model.bin has sha256 {hashlib.sha256(wrong).hexdigest()}, expected"):
        store.fetch(entry("model.bin"))
    assert held(store) == []


def test_a_digest_that_is_wrong_refuses_the_file(store: ModelStore, hub: HubDouble):
    hub.wrong_digest = True
    with pytest.raises(FetchFailed, match=r"model\.bin has sha256 .*, expected .*"):
        store.fetch(entry("model.bin"))
    assert held(store) == []


def test_what_another_version_left_is_not_built_upon(store: ModelStore, hub: HubDouble):
    (store.folder / "tiny").mkdir(parents=True)
    (store.folder / "tiny" / ".model.bin.part").write_bytes(b"x" * 1000)
    assert store.fetch(entry("model.bin"))["model.bin"].read_bytes() == DATA
    assert [span for _, span, _ in hub.stored] == ["bytes=1000-", None]


def test_a_hub_that_states_no_digest_is_refused(store: ModelStore, hub: HubDouble):
    hub.states_digests = False
    with pytest.raises(FetchFailed, match="the hub states no digest and size, so the file could not be checked"):
        store.fetch(entry())
    assert hub.stored == []


@pytest.mark.parametrize("expected", [len(DATA) // 3, len(DATA) * 3])
def test_a_size_far_from_what_is_expected_is_refused_before_the_download(
    store: ModelStore, hub: HubDouble, expected: int
):
    with pytest.raises(FetchFailed, match=r"the hub states 1\.0 MB, but about .* are expected; .* change size of"):
        store.fetch(entry("model.bin", model=expected))
    assert hub.stored == []


# --- access and reach -------------------------------------------------------------------------------------------------


def test_the_token_opens_a_gated_repository_and_stays_with_the_hub(
    store: ModelStore, hub: HubDouble, monkeypatch: pytest.MonkeyPatch
):
    hub.repositories[NAME].needs_token = True
    hub.repositories["someone/new"] = hub.repositories.pop(NAME)
    hub.moved[NAME] = "someone/new"
    monkeypatch.setenv("HF_TOKEN", "right-token")
    assert set(store.fetch(entry())) == set(FILES)
    assert {authorization for _, _, authorization in hub.requests} == {"Bearer right-token"}
    assert {authorization for _, _, authorization in hub.stored} == {None}


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("", "HTTP 401 .*or it needs HF_TOKEN"),
        ("wrong-token", "HTTP 403 .*HF_TOKEN may not read it: accept"),
    ],
)
def test_a_gated_repository_says_what_it_needs(
    store: ModelStore, hub: HubDouble, monkeypatch: pytest.MonkeyPatch, token: str, expected: str
):
    hub.repositories[NAME].needs_token = True
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(FetchFailed, match=expected) as raised:
        store.fetch(entry())
    assert "wrong-token" not in str(raised.value)


def test_a_file_that_the_repository_lacks_is_named(store: ModelStore, hub: HubDouble):
    del hub.repositories[NAME].files["model.bin"]
    with pytest.raises(FetchFailed, match=rf"/{NAME}/resolve/main/model\.bin: HTTP 404 .*: no such file"):
        store.fetch(entry())


def test_the_failure_says_how_to_go_on_without_a_hash(store: ModelStore, hub: HubDouble):
    without_hub(hub)
    with pytest.raises(FetchFailed) as raised:
        store.fetch(entry())
    last = str(raised.value).splitlines()[-1]
    assert last.endswith(f"copy the folder {store.folder / 'tiny'} from a machine where the model was pulled")


def test_the_other_variable_for_a_mirror_is_honoured(
    store: ModelStore, hub: HubDouble, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_ENDPOINT", os.environ["STREAMSRV_HUB"])
    monkeypatch.delenv("STREAMSRV_HUB")
    assert set(store.fetch(entry())) == set(FILES)
    assert hub.requests


def test_a_hub_that_cannot_be_reached_is_said_with_what_can_be_done(store: ModelStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights_hub, "RETRY_PAUSES_S", (0.0, 0.0))
    monkeypatch.setenv("STREAMSRV_HUB", "http://127.0.0.1:9")
    with pytest.raises(FetchFailed, match=r"cannot be reached: .*refused.*; STREAMSRV_HUB can name a mirror \(3 att"):
        store.fetch(entry())


def test_a_password_in_the_address_is_refused_and_not_shown(store: ModelStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STREAMSRV_HUB", "https://me:hidden@hub.example")
    with pytest.raises(FetchFailed, match="STREAMSRV_HUB has a user name in it") as raised:
        store.fetch(entry())
    assert "hidden" not in str(raised.value)
