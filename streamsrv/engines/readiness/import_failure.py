"""Explains in one line why the package of an engine cannot be imported, and what mends it. Pure."""

import re
import sys
from collections.abc import Sequence
from types import TracebackType

DEBIAN_PACKAGES = {
    "libatomic.so.1": "libatomic1",
    "libespeak-ng.so.1": "libespeak-ng1",
    "libgcc_s.so.1": "libgcc-s1",
    "libGL.so.1": "libgl1",
    "libgomp.so.1": "libgomp1",
    "libnuma.so.1": "libnuma1",
    "libomp.so.5": "libomp5",
    "libopenblas.so.0": "libopenblas0",
    "libopus.so.0": "libopus0",
    "libsndfile.so.1": "libsndfile1",
    "libsrtp2.so.1": "libsrtp2-1",
    "libssl.so.3": "libssl3",
    "libstdc++.so.6": "libstdc++6",
    "libvpx.so.7": "libvpx7",
    "libvulkan.so.1": "libvulkan1",
    "libz.so.1": "zlib1g",
}
"""Debian's package of each shared library that a wheel may expect on the system."""

_MAX_REASON = 300
"""Characters quoted from an exception."""
_MISSING_LIBRARY = re.compile(r"(lib[\w+.-]+\.so[\w.]*): cannot open shared object file|Library not loaded: (\S+)")
_OLD_SYSTEM = re.compile(r"version [`'](?:GLIBC|GLIBCXX|CXXABI)_[\d.]+' not found")
_OURS = ("streamsrv", "importlib", "_frozen_importlib", "_frozen_importlib_external")


def explain_import(error: BaseException, requires: Sequence[str] = ()) -> str:
    """Return `<package> cannot be imported: <reason>; <remedy>`.

    `error` is what the import raised (an `ImportError`, the `OSError` of a library that does not load, or another);
    `requires` are the modules that the engine needs, in case the error does not tell which one failed.
    """
    package = _package(error, requires)
    reason = " ".join(str(error).split())[:_MAX_REASON] or type(error).__name__
    return f"{package} cannot be imported: {reason}; {_remedy(error, reason, package)}"


def _package(error: BaseException, requires: Sequence[str]) -> str:
    """Return the package whose code ran last when the import failed, or the one that the error names."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name.partition(".")[0]
    names = [name for name in _modules(error.__traceback__) if name not in _OURS]
    named = [name for name in names if name not in sys.stdlib_module_names]
    if named:
        return named[-1]
    by_error = getattr(error, "name", None)
    return str(by_error).partition(".")[0] if by_error else (requires[0] if requires else "the engine")


def _modules(trace: TracebackType | None) -> list[str]:
    found: list[str] = []
    while trace is not None:
        found.append(str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0])
        trace = trace.tb_next
    return [name for name in found if name and name != "__main__"]


def _remedy(error: BaseException, reason: str, package: str) -> str:
    if found := _MISSING_LIBRARY.search(reason):
        library = (found[1] or found[2]).rpartition("/")[2]
        if debian := DEBIAN_PACKAGES.get(library):
            return f"on Debian or Ubuntu: apt-get install {debian}"
        return f"install the package of your system that has {library} (on Debian or Ubuntu: apt-file search {library})"
    if _OLD_SYSTEM.search(reason):
        return f"this system is older than {package} needs: use a newer one"
    if isinstance(error, ModuleNotFoundError):
        return f"pip install {package}"
    return f"if its installation is damaged: pip install --force-reinstall {package}"
