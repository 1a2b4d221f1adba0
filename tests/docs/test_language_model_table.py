"""docs/language_models.md has the catalogue's models."""

from language_model_table import BEGIN, DOCUMENT, tables
from recognizer_table import END


def test_the_tables_are_those_of_the_catalogue() -> None:
    _, _, rest = DOCUMENT.read_text().partition(BEGIN)
    written, _, _ = rest.partition(END)
    assert written.strip() == tables().strip(), "run python tests/docs/language_model_table.py"
