"""What the distributions must contain, and what not."""

import re
import tarfile
import zipfile
from pathlib import Path

IN_THE_WHEEL = (
    "streamsrv/py.typed",
    "streamsrv/engines/asr/moonshine.toml",
    "streamsrv/conformance/is_the_front_door_locked.flac",
    "streamsrv/web/index.html",
    "streamsrv/web/lib/index.js",
    "streamsrv/web/style/theme.css",
    "streamsrv/web/assistant/main.js",
    "streamsrv/web/captions/viewer.html",
    "streamsrv/web/playground/index.html",
)
IN_THE_SDIST = ("LICENSE", "README.md", "pyproject.toml", "web/index.html", "fixtures/is_the_front_door_locked.flac")
IN_NEITHER = re.compile(
    r"(^|/)(node_modules|__pycache__|\.venv|\.git|dist)/|\.(pyc|toml\.bak|env)$|(^|/)streamsrv\.toml$"
)
NOT_IN_THE_WHEEL = re.compile(r"(^|/)(tests|benchmarks|fixtures|docs|changelog\.d)/|\.test\.m?js$|(^|/)conftest\.py$")


def problems_of(wheel: Path, sdist: Path) -> list[str]:
    """What the distributions lack, and what they should not have."""
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    licences = [name for name in in_wheel if name.endswith("/licenses/LICENSE")]
    return [
        *(f"{wheel.name} lacks {name}" for name in IN_THE_WHEEL if name not in in_wheel),
        *(f"{sdist.name} lacks {name}" for name in IN_THE_SDIST if name not in in_sdist),
        *([] if licences else [f"{wheel.name} lacks the LICENSE"]),
        *(f"{sdist.name} has {name}" for name in sorted(in_sdist) if IN_NEITHER.search(name)),
        *(
            f"{wheel.name} has {name}"
            for name in sorted(in_wheel)
            if IN_NEITHER.search(name) or NOT_IN_THE_WHEEL.search(name)
        ),
    ]
