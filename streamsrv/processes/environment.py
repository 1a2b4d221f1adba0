"""Which environment variables a helper process gets: none that can hold a secret."""

from collections.abc import Mapping

ALLOWED = frozenset(
    {
        "PATH",
        "PYTHONPATH",
        "LD_LIBRARY_PATH",  # where some systems keep the libraries of FFmpeg
        "DYLD_LIBRARY_PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
    }
)
"""The server's environment holds API keys and its signing key; a helper process reads hostile input in C libraries."""


def helper_environment(environment: Mapping[str, str], *, package_folder: str, separator: str) -> dict[str, str]:
    """The variables of `environment` that a helper process gets, with `package_folder` first on PYTHONPATH."""
    allowed = {name: value for name, value in environment.items() if name in ALLOWED or name.startswith("LC_")}
    folders = [package_folder, *filter(None, [allowed.get("PYTHONPATH")])]
    return {**allowed, "PYTHONPATH": separator.join(folders)}
