"""The settings for editors and pre-commit agree with `make lint` and with the files."""

import configparser
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.support.clean_environment import ROOT, run

HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
MADE_BY_OTHERS = {".csv", ".lock", ".png", ".svg"}


def linters() -> set[str]:
    recipe = (ROOT / "Makefile").read_text().partition("\nlint: ")[2].partition("\n\n")[0]
    return set(re.findall(r"\$\(BIN\)/([\w-]+(?: check| format)?)", recipe))


def test_the_hooks_run_what_make_lint_runs_and_download_nothing() -> None:
    assert [repository["repo"] for repository in HOOKS] == ["local"]
    hooks = HOOKS[0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    run_by_hooks = {
        found[1]
        for hook in hooks
        if (found := re.match(r"\.venv/bin/([\w-]+(?: check| format)?)", hook["entry"]))
    }
    assert run_by_hooks == linters()


def test_editors_break_lines_where_the_formatter_does() -> None:
    editors = configparser.ConfigParser()
    editors.read_string("[DEFAULT]\n" + (ROOT / ".editorconfig").read_text())
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    assert editors["*.py"]["max_line_length"] == str(ruff["line-length"])


def written_by_hand() -> list[Path]:
    names = run(["git", "ls-files", "-z"], cwd=ROOT).split("\0")
    return [ROOT / n for n in names if n and Path(n).suffix not in MADE_BY_OTHERS and (ROOT / n).is_file()]


@pytest.mark.parametrize(
    ("fault", "pattern"),
    [("a carriage return", rb"\r"), ("a space at the end of a line", rb"[ \t]\n"), ("no last newline", rb"[^\n]\Z")],
)  # fmt: skip
def test_every_file_is_as_the_editor_writes_it(fault: str, pattern: bytes) -> None:
    found = [path for path in written_by_hand() if re.search(pattern, path.read_bytes())]
    assert [str(path.relative_to(ROOT)) for path in found] == [], fault


def test_only_the_makefile_has_tabs() -> None:
    indented = [path for path in written_by_hand() if re.search(rb"^\t", path.read_bytes(), re.MULTILINE)]
    assert [path.name for path in indented] == ["Makefile"]
