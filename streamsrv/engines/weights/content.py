"""What a weight file must contain, and whether it does."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

SHA256_DIGITS = 64
_BLOCK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Content:
    """The size of a file in bytes and its digest: 64 digits are a sha256, 40 are the SHA-1 of a git blob."""

    size: int
    digest: str
    commit: str = ""
    """The commit of the repository on a hub that states this; empty if nobody states one."""

    def difference(self, path: Path) -> str:
        """Return how the file at `path` differs; empty if it does not."""
        size = path.stat().st_size
        if size != self.size:
            return f"has {size} bytes, expected {self.size}"
        if len(self.digest) == SHA256_DIGITS:
            name, actual = "sha256", sha256_of(path)
        else:
            name, actual = "git blob", git_blob_of(path)
        return "" if actual == self.digest else f"has {name} {actual}, expected {self.digest}"


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob_of(path: Path) -> str:
    """Return the SHA-1 by which git knows the content of a file: of a header with its size, and its bytes."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
