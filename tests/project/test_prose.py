"""Prose avoids constructions that a native engineer would not write. The list is short, and so are its exceptions."""

import re
import subprocess

import pytest

from tests.support.documents import ROOT

AVOIDED = {
    "beside": r"\b[Bb]eside\b",
    "for ever": r"\b[Ff]or ever\b",
    "meanwhile": r"\b[Mm]eanwhile\b",
    "deed": r"\b[Dd]eeds?\b",
    "to look on": r"\b(who|only) looks? on\b",
    "bury, borne": r"\b(bury|buried|borne)\b",
    "a sentence that begins with Whoever": r"(?:^|[.:;)] |[#*-] |\"\"\")Who(?:m|so)?ever\b",
    "a who or what clause as a subject": r"(?<!\d)[.:;)] (?:Who|What|Whatever) [a-z]+ [^?]*?[.,]",
}
READ = ("*.md", "*.py", "*.sql", "*.sh", "*.yaml", "*.toml", ".ci/run")
EXCEPTIONS = (
    "docs/evidence/",  # made by commands, at the commit that they name
    "benchmarks/results/",
    "queue_store/migrations/versions/",  # migrations stay as they were run
    "tests/project/test_prose.py",
)


def prose_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", *READ], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [file for file in listed if not file.startswith(EXCEPTIONS)]


@pytest.mark.parametrize("construction", AVOIDED)
def test_no_text_uses(construction: str) -> None:
    avoided = re.compile(AVOIDED[construction], re.MULTILINE)
    found = [
        f"{file}:{text.count(chr(10), 0, match.start()) + 1}: {match[0][:60]}"
        for file in prose_files()
        for text in [(ROOT / file).read_text()]
        for match in avoided.finditer(text)
    ]
    assert found == []
