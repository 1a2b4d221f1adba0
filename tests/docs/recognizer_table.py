"""The tables of docs/recognizers.md, from the catalogue. As a command, it writes them into the document."""

from collections.abc import Iterable
from pathlib import Path

from rich.filesize import decimal

from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import with_parts
from streamsrv.engines.model_entry import ModelEntry

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "recognizers.md"
BEGIN, END = "<!-- from the catalogue: python tests/docs/recognizer_table.py -->\n", "<!-- end -->"
MAX_CODES = 6
"""Languages that are listed by their codes; of more, the number is given."""
CATALOGUE = load_catalogue()


def tables() -> str:
    """The models of this machine by engine, then those of other machines."""
    entries = CATALOGUE.entries("recognizer")
    local = [entry for entry in entries if entry.hardware != "remote"]
    remote = [entry for entry in entries if entry.hardware == "remote"]
    here = table(
        ("on this machine", "languages", "weights", "memory", "needs", "best for", "not for"),
        ((*head(entry), size(weights(entry)), size(entry.memory), needs(entry), *uses(entry)) for entry in local),
    )
    elsewhere = table(
        ("elsewhere", "languages", "price", "needs", "best for", "not for"),
        ((*head(entry), "; ".join(map(str, entry.price)), needs(entry), *uses(entry)) for entry in remote),
    )
    return f"{here}\n{elsewhere}"


def table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def head(entry: ModelEntry) -> tuple[str, str]:
    codes = entry.languages
    return f"`{entry.name}`", " ".join(codes) if len(codes) <= MAX_CODES else f"{len(codes)} languages"


def weights(entry: ModelEntry) -> int:
    return sum(part.size for part in with_parts(entry, CATALOGUE))


def size(count: int) -> str:
    return decimal(count, precision=0 if count < 1e9 else 1) if count else ""


def needs(entry: ModelEntry) -> str:
    parts = with_parts(entry, CATALOGUE)
    extras = [f"`{extra}`" for extra in dict.fromkeys(part.extra for part in parts) if extra]
    hubs = ["a hub"] if any(part.weights and not part.is_packaged for part in parts) else []
    gpu = ["a GPU"] if entry.hardware == "gpu" else []
    return ", ".join([*extras, *gpu, *hubs, *([f"`{entry.key_variable}`"] if entry.key_variable else [])])


def uses(entry: ModelEntry) -> tuple[str, str]:
    return entry.best_for, entry.not_for


def main() -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{tables()}\n{END}{after}")


if __name__ == "__main__":
    main()
