"""Reads the code blocks, tables and links of documents, so that tests can check them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class CodeBlock:
    document: str
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def code_blocks(document: str, *languages: str) -> list[CodeBlock]:
    """Returns the blocks of a document in order. If languages are named, returns only the blocks in these languages."""
    text = (ROOT / document).read_text()
    blocks = [
        CodeBlock(document, text.count("\n", 0, match.start()) + 2, match["language"], match["code"])
        for match in _BLOCK.finditer(text)
    ]
    return [block for block in blocks if not languages or block.language in languages]


def table_rows(document: str) -> list[list[str]]:
    """Returns the cells of every row of every table, including the heading and the line of dashes under it."""
    lines = (ROOT / document).read_text().splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")
    ]


def linked_files(document: str) -> list[str]:
    """Returns the files to which a document links, or that it names in backticks. Paths are relative to the project."""
    text = (ROOT / document).read_text()
    links = [(ROOT / document).parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    named = [
        ROOT / path
        for path in re.findall(r"`((?:tests|queue_store|tasks|compose|benchmarks|docs)/[\w/.]*)`", text)
    ]
    return sorted({str(path.resolve().relative_to(ROOT)) for path in links + named})
