"""The tables of docs/language_models.md, from the catalogue. As a command, it writes them into the document."""

from pathlib import Path

from recognizer_table import END, needs, size, table, weights
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.model_entry import ModelEntry

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "language_models.md"
BEGIN = "<!-- from the catalogue: python tests/docs/language_model_table.py -->\n"
CATALOGUE = load_catalogue()


def tables() -> str:
    """The models of this machine, those of providers, those of servers of one's own, and the retired names."""
    entries = CATALOGUE.entries("chat")
    local = [entry for entry in entries if entry.hardware != "remote"]
    hosted = [entry for entry in entries if entry.hardware == "remote" and not entry.needs_url]
    own = [entry for entry in entries if entry.needs_url]
    retired = [entry for entry in CATALOGUE.values() if entry.kind == "chat" and entry.successor]
    return "\n".join(
        [
            table(
                ("on this machine", "context", "can", "weights", "memory", "needs", "best for", "not for"),
                ((*facts(entry), size(weights(entry)), size(entry.memory), needs(entry), *uses(entry))
                 for entry in local),
            ),
            table(
                ("at a provider", "context", "can", "USD per million tokens", "key", "best for", "not for"),
                ((*facts(entry), prices(entry), f"`{entry.key_variable}`", *uses(entry)) for entry in hosted),
            ),
            table(
                ("on a server of your own", "context", "can", "what it is", "best for", "not for"),
                ((*facts(entry), f"{entry.description}; licence: {entry.licence}", *uses(entry)) for entry in own),
            ),
            table(
                ("old name", "now means", "why"),
                ((f"`{entry.name}`", f"`{entry.successor}`", entry.description) for entry in retired),
            ),
        ]
    )  # fmt: skip


def facts(entry: ModelEntry) -> tuple[str, str, str]:
    tools = ["tools"] if "calls_tools" in entry.abilities else []
    pictures = ["pictures"] if "sees_images" in entry.abilities else []
    thinks = [f"think: {', '.join(entry.efforts)}"] if set(entry.efforts) - {"none"} else []
    return (
        f"`{entry.name}`",
        f"{entry.context_tokens:,}" if entry.context_tokens else "",
        "; ".join([*tools, *pictures, *thinks]),
    )


def prices(entry: ModelEntry) -> str:
    shown = [price for price in entry.price if price.per in ("million input tokens", "million output tokens")]
    if not shown:
        return ""
    return " / ".join(f"{price.amount:.2f}" for price in shown) + f" ({max(price.as_of for price in shown)})"


def uses(entry: ModelEntry) -> tuple[str, str]:
    return entry.best_for, entry.not_for


def main() -> None:
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{tables()}\n{END}{after}")


if __name__ == "__main__":
    main()
