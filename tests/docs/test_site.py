"""The documentation site has every page and every public name. `make docs` builds it, and any warning is an error."""

import re

import click
import pytest

import processing_queue
import processing_queue.celery
import queue_store
from tasks.cli import COMMANDS, main
from tests.support.documents import ROOT

SITE = ROOT / "docs/site"
REFERENCE = (SITE / "api.rst").read_text()
INDEX = (SITE / "index.md").read_text()
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("compose/*.md")]


def names_in_the_reference(module: str) -> set[str]:
    full = re.findall(rf"^\.\. auto\w+:: {re.escape(module)}\.(\w+)\b(?!\.)", REFERENCE, re.MULTILINE)
    return {*full, *re.findall(r"^\.\. (?:function|data):: (\w+)", REFERENCE, re.MULTILINE)}


def test_the_reference_has_every_public_name() -> None:
    assert set(queue_store.__all__) <= set(processing_queue.__all__)
    assert set(processing_queue.__all__) - names_in_the_reference("processing_queue") == set()
    durable = names_in_the_reference("processing_queue.celery")
    assert set(processing_queue.celery.__all__) - durable == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_index_names_every_page(page: object) -> None:
    listed = {
        (SITE / entry).resolve() for entry in re.findall(r"^(?:.* <)?([./]\S+\.md)>?$", INDEX, re.MULTILINE)
    }
    assert page in listed


def test_every_command_says_what_it_does() -> None:
    context = click.Context(main)
    commands = {name: main.get_command(context, name) for name in COMMANDS}
    assert [name for name, command in commands.items() if not (command and command.help)] == []


def test_ci_builds_the_site_and_lets_no_warning_pass() -> None:
    assert re.search(r"^ *step .* make docs$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    target = (ROOT / "Makefile").read_text().partition("\ndocs: ")[2].partition("\n\n")[0]
    assert "--fail-on-warning" in target
    assert re.search(r"^nitpicky = True$", (SITE / "conf.py").read_text(), re.MULTILINE)
