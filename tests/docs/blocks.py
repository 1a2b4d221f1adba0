"""The code blocks of the documents. As a command, it lists the blocks that no test runs, with their reasons."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = ("*.md", ".github/**/*.md", "docs/**/*.md", "deploy/**/*.md", "web/*.md", "fixtures/*.md")
DOCUMENTS = sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)})
BLOCK = re.compile(
    r"(?:^ *<!-- (?P<marker>not run|same as): (?P<value>[^\n]+?) -->\n\s*)?"
    r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block. `line` is that of its fence, in `document`, a path relative to the repository.

    `not_run`: why nothing runs it, from the comment before it; empty if something does.
    `same_as`: the file of the repository that the block quotes; empty if it quotes none.
    """

    document: str
    line: int
    language: str
    text: str
    not_run: str = ""
    same_as: str = ""

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def all_blocks() -> list[Block]:
    """The blocks of all documents, in order."""
    return [block for path in DOCUMENTS for block in blocks_of(path)]


def blocks_of(path: Path) -> Iterator[Block]:
    text = path.read_text()
    for found in BLOCK.finditer(text):
        fence = found.start("indent")
        yield Block(
            str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name,
            text.count("\n", 0, fence) + 1,
            found["language"].strip(),
            textwrap.dedent(found["text"]),
            **({found["marker"].replace(" ", "_"): found["value"]} if found["marker"] else {}),
        )


def main() -> None:
    blocks = [block for block in all_blocks() if block.language != "text"]
    left = [block for block in blocks if block.not_run]
    print(f"{len(blocks)} code blocks in the documents; {len(left)} of them are not run:")
    for block in left:
        print(f"  {block} ({block.language}): {block.not_run}")


if __name__ == "__main__":
    main()
