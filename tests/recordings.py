"""Recorded speech for tests of real engines, read aloud by people; fetched once into the model folder.

`two_cities.wav`: 44 s, 48 kHz, mono, the opening of A Tale of Two Cities. `beckett.wav`: 10 s, 16 kHz, mono.
Both come with moonshine-voice (MIT).
"""

from functools import cache
from pathlib import Path

import pytest

from streamsrv.engines.catalogue import Source, WeightFile
from streamsrv.engines.weights.store import FetchFailed, ModelStore, fetch_files


def _recording(name: str, size: int, sha256: str) -> WeightFile:
    return WeightFile(
        name, size, sha256, (Source("wheel", "moonshine-voice==0.0.73", f"moonshine_voice/assets/{name}"),)
    )


RECORDINGS = (
    _recording("two_cities.wav", 4260326, "f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e"),
    _recording("beckett.wav", 318978, "e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61"),
)


def recording(name: str) -> Path:
    """The path of a recording by file name; skips the test when it cannot be had (offline)."""
    found = _fetch()
    if isinstance(found, str):
        pytest.skip(found)
    return found[name]


@cache
def _fetch() -> dict[str, Path] | str:
    """All recordings by name, or why there are none: kept, so that an offline run waits for pip only once."""
    try:
        return fetch_files(RECORDINGS, ModelStore().folder / "recordings")
    except FetchFailed as error:
        return str(error)
