"""Opens the ledger that the settings name. Its packages are optional, and are imported only here."""

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from platformdirs import user_data_path

from streamsrv.errors import Unavailable

if TYPE_CHECKING:
    from streamsrv.ledger.ledger import Ledger

AUTO, NONE = "auto", "none"
_DRIVERS = {"sqlite": "aiosqlite", "postgresql": "asyncpg"}
_EXTRAS = {"sqlite": "ledger", "postgresql": "postgresql"}


def open_ledger(setting: str) -> "Ledger | None":
    """Return the ledger, whose database is opened later; None: there is none. Blocks for the imports.

    `setting`: `auto`, `none`, or a URL (`sqlite:///FILE`, `postgresql://...`). Raises `Unavailable` with the command
    that installs what is missing; with `auto`, a missing package means no ledger.
    """
    if setting == NONE:
        return None
    url = f"sqlite:///{user_data_path('streamsrv') / 'ledger.sqlite3'}" if setting == AUTO else setting
    named = urlsplit(url).scheme.partition("+")[0]
    scheme = "postgresql" if named == "postgres" else named
    driver = _DRIVERS[scheme]
    try:
        for package in ("sqlalchemy", "alembic", driver):
            import_module(package)
        from streamsrv.ledger.database import LedgerDatabase
        from streamsrv.ledger.ledger import Ledger
    except ImportError as error:
        if setting == AUTO:
            return None
        message = f"the ledger needs the package {error.name}: pip install 'streamsrv[{_EXTRAS[scheme]}]'"
        raise Unavailable(message) from error
    if scheme == "sqlite":
        return Ledger(LedgerDatabase(f"sqlite+{driver}:///{Path(url.removeprefix('sqlite:///')).expanduser()}"))
    # The driver has another name for what libpq calls sslmode, with the same values.
    return Ledger(LedgerDatabase(re.sub(r"([?&])sslmode=", r"\1ssl=", f"{scheme}+{driver}:{url.partition(':')[2]}")))
