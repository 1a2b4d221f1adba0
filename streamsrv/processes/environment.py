"""Selects the environment variables of a helper process: none that can hold a secret."""

from collections.abc import Mapping

ALLOWED = frozenset(
    {
        "PATH",
        "PYTHONPATH",
        "LD_LIBRARY_PATH",  # some systems have the libraries of FFmpeg there
        "DYLD_LIBRARY_PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "CUDA_DEVICE_ORDER",
        "CUDA_VISIBLE_DEVICES",
        "OMP_NUM_THREADS",
    }
)
"""Environment variables that a helper process gets. The server's environment holds API keys and the signing key, and
a helper process decodes untrusted input in C libraries."""


def helper_environment(environment: Mapping[str, str], *, package_folder: str | None, separator: str) -> dict[str, str]:
    """Return the allowed variables of `environment`, with `package_folder` first on PYTHONPATH.

    None: without PYTHONPATH, for a Python of another environment, which has packages of its own.
    """
    allowed = {name: value for name, value in environment.items() if name in ALLOWED or name.startswith("LC_")}
    if package_folder is None:
        return {name: value for name, value in allowed.items() if name != "PYTHONPATH"}
    folders = [package_folder, *filter(None, [allowed.get("PYTHONPATH")])]
    return {**allowed, "PYTHONPATH": separator.join(folders)}
