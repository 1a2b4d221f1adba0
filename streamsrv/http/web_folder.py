"""The folder of the pages, and what of it is served."""

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent
WEB_FOLDER = next((folder for folder in (_PACKAGE / "web", _PACKAGE.parent / "web") if folder.is_dir()), None)
"""Folder of the pages: in the installed package, or in the checkout; None if neither has it."""

FOLDERS = ("lib", "style", "assistant", "captions", "playground")
"""Folders of `WEB_FOLDER` that are served."""
DOCUMENTS = {
    "index.html": 0,
    "assistant/not-found.html": 1,
    "captions/index.html": 1,
    "captions/viewer.html": 1,
    "captions/speak.html": 2,
    "playground/index.html": 1,
}
"""The pages, and how many folders their addresses are below the server's root."""


def served_files(folder: Path) -> list[Path]:
    """Return the files that pages are made of, in order."""
    inner = [path for name in FOLDERS for path in (folder / name).rglob("*") if path.is_file()]
    return sorted([*inner, *(folder / name for name in DOCUMENTS if "/" not in name)])
