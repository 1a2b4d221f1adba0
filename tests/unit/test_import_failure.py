"""What is said when the package of an engine cannot be imported."""

import sys
from pathlib import Path

import pytest

from streamsrv.engines.catalogue import CatalogueError, ModelEntry
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.import_failure import explain_import
from streamsrv.engines.readiness.probe import find_problems
from streamsrv.errors import Unavailable
from streamsrv.inference.scheduler import Scheduler

LIBRARY = "libgomp.so.1: cannot open shared object file: No such file or directory"
LLAMA = ModelEntry("small", "chat", "llamacpp", requires=("xllamacpp",))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ImportError(LIBRARY),
            f"engine_x cannot be imported: {LIBRARY}; on Debian or Ubuntu: apt-get install libgomp1",
        ),
        (OSError("libxyz.so.9: cannot open shared object file: No such"), "apt-file search libxyz.so.9"),
        (ImportError("/lib/libc.so.6: version `GLIBC_2.38' not found (required by x)"), "this system is older than"),
        (ModuleNotFoundError("No module named 'inner'", name="inner.part"), "inner cannot be imported: No module"),
        (ModuleNotFoundError("No module named 'inner'", name="inner.part"), "pip install inner"),
        (ImportError("cannot import name 'a'\nfrom 'b'"), "cannot import name 'a' from 'b'; if its installation"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_a_failed_import_is_one_line_with_its_remedy(error: Exception, said: str):
    line = explain_import(error, ["engine_x"])
    assert said in line
    assert "\n" not in line


@pytest.fixture
def fake_xllamacpp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a fake of the package in place of the real one; its code is what the test gives."""

    def write(code: str) -> None:
        package = tmp_path / "fakes" / "xllamacpp"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(code)
        monkeypatch.syspath_prepend(package.parent)
        for name in [name for name in sys.modules if name.partition(".")[0] == "xllamacpp"]:
            monkeypatch.delitem(sys.modules, name)

    return write


def test_an_engine_without_its_shared_library_is_unavailable(fake_xllamacpp, tmp_path: Path):
    fake_xllamacpp(f"raise ImportError({LIBRARY!r})")
    scheduler = Scheduler(0)
    try:
        with pytest.raises(Unavailable, match=r"^small: xllamacpp cannot be imported: libgomp.*install libgomp1$"):
            load_engine(LLAMA, LoadContext(scheduler, {"model.gguf": tmp_path / "model.gguf"}))
    finally:
        scheduler.close()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (f"raise OSError({LIBRARY!r})", "small: xllamacpp cannot be imported: libgomp.so.1"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "ended by SIGILL (the processor lacks"),
        ("import os; os._exit(3)", "its process ended with status 3"),
    ],
)
def test_a_broken_package_is_found_without_loading_it_here(fake_xllamacpp, code: str, said: str):
    fake_xllamacpp(code)
    rest = ModelEntry("rest", "chat", "openai_compatible", options={"modle": "x"})
    problems = find_problems([LLAMA, rest])
    assert said in problems["small"]
    assert "'modle' is not an option; did you mean model?" in problems["rest"]


def test_an_entry_without_the_weights_of_its_engine_is_told_so():
    pytest.importorskip("onnxruntime", reason="the engine needs onnxruntime")
    scheduler = Scheduler(0)
    try:
        with pytest.raises(Unavailable, match=r"m has no \[\[model\.weights\]\], which the engine silero needs"):
            load_engine(ModelEntry("m", "vad", "silero"), LoadContext(scheduler, {}))
    finally:
        scheduler.close()


def test_a_module_that_is_no_engine_is_refused():
    scheduler = Scheduler(0)
    try:
        with pytest.raises(CatalogueError, match="'pauses' is not an engine"):
            load_engine(ModelEntry("m", "recognizer", "pauses"), LoadContext(scheduler, {}))
    finally:
        scheduler.close()
