"""Weight files from the hub: downloaded, resumed, checked, and refused with a reason."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_model_hub import DATA, HUB, HUB_PATH, FakeHub, entry, fake_hub, serve, weight
from streamsrv.engines.weights.store import FetchFailed, ModelStore


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub(monkeypatch) as hub:
        yield hub


def test_a_file_is_downloaded_from_the_hub_with_progress(store: ModelStore, hub: FakeHub):
    seen: list[tuple[str, int, int]] = []
    found = store.fetch(entry(weight(HUB)), lambda name, held, size: seen.append((name, held, size)))
    assert found["model.bin"].read_bytes() == DATA
    assert hub.requests == [(HUB_PATH, None, None)]
    assert seen[-1] == ("model.bin", len(DATA), len(DATA))
    assert [held for _, held, _ in seen] == sorted(held for _, held, _ in seen)


@pytest.mark.parametrize("cut", [1, len(DATA) // 2, len(DATA) - 1])
def test_a_cut_download_is_resumed_where_it_stopped(store: ModelStore, hub: FakeHub, cut: int):
    hub.cuts = [cut]
    assert store.fetch(entry(weight(HUB)))["model.bin"].read_bytes() == DATA
    assert hub.spans == [None, f"bytes={cut}-"]


def test_a_hub_that_ignores_ranges_starts_the_file_again(store: ModelStore, hub: FakeHub):
    hub.cuts, hub.honours_range = [len(DATA) // 2], False
    assert store.fetch(entry(weight(HUB)))["model.bin"].read_bytes() == DATA
    assert hub.spans == [None, f"bytes={len(DATA) // 2}-"]


def test_what_arrived_before_giving_up_is_kept_for_the_next_run(store: ModelStore, hub: FakeHub):
    hub.cuts = [100, 100, 100]
    with pytest.raises(FetchFailed, match=rf"the connection ended after 300 of {len(DATA)} bytes \(3 attempts"):
        store.fetch(entry(weight(HUB)))
    assert store.fetch(entry(weight(HUB)))["model.bin"].read_bytes() == DATA
    assert hub.spans == [None, "bytes=100-", "bytes=200-", "bytes=300-"]


def test_a_busy_hub_is_asked_again(store: ModelStore, hub: FakeHub):
    hub.statuses = [503, 429]
    assert store.fetch(entry(weight(HUB)))["model.bin"].read_bytes() == DATA


@pytest.mark.parametrize(
    ("status", "reason"), [(404, "no such file"), (401, "needs HF_TOKEN"), (403, "HF_TOKEN may not")]
)
def test_a_refusal_is_final_and_explained(store: ModelStore, hub: FakeHub, status: int, reason: str):
    hub.statuses = [status]
    with pytest.raises(FetchFailed, match=f"{HUB_PATH}: HTTP {status} .*{reason}"):
        store.fetch(entry(weight(HUB)))
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (DATA[:-1] + b"!", f"has sha256 {hashlib.sha256(DATA[:-1] + b'!').hexdigest()}, expected {weight().sha256}"),
        (DATA + b"!", f"has {len(DATA) + 1} bytes, expected {len(DATA)}"),
    ],
    ids=["content", "size"],
)
def test_a_wrong_file_of_the_hub_is_deleted_and_explained(store: ModelStore, hub: FakeHub, wrong: bytes, expected: str):
    hub.data = wrong
    with pytest.raises(FetchFailed, match=expected):
        store.fetch(entry(weight(HUB)))
    assert [path.name for path in (store.folder / "tiny").iterdir()] == [".lock"]


def test_the_token_goes_to_the_hub_and_not_where_it_redirects_to(
    store: ModelStore, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "secret")
    storage = FakeHub()
    with serve(storage) as address:
        hub.redirect = f"{address}/blob"
        store.fetch(entry(weight(HUB)))
    assert hub.requests == [(HUB_PATH, None, "Bearer secret")]
    assert storage.requests == [("/blob", None, None)]


def test_the_token_is_not_in_what_is_said_about_a_failure(
    store: ModelStore, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "secret")
    hub.statuses = [403]
    with pytest.raises(FetchFailed) as raised:
        store.fetch(entry(weight(HUB)))
    assert "secret" not in str(raised.value)


def test_an_invalid_hub_address_is_explained(store: ModelStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STREAMSRV_HUB", "hub.example")
    with pytest.raises(FetchFailed, match=r"STREAMSRV_HUB is 'hub\.example'; accepted: an address with https://"):
        store.fetch(entry(weight(HUB)))


def test_two_at_once_fetch_a_file_only_once(store: ModelStore, hub: FakeHub):
    wanted = entry(weight(HUB))
    threads = [threading.Thread(target=store.fetch, args=(wanted,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.locate(wanted)["model.bin"].read_bytes() == DATA
    assert hub.spans == [None]
