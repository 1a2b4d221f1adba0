"""docs/recognizers.md has the catalogue's models."""

from recognizer_table import BEGIN, DOCUMENT, END, tables


def test_the_tables_are_those_of_the_catalogue() -> None:
    _, _, rest = DOCUMENT.read_text().partition(BEGIN)
    written, _, _ = rest.partition(END)
    assert written.strip() == tables().strip(), "run python tests/docs/recognizer_table.py"
