"""Tests the pytest plugin in a user's own suite, which is in another directory. The plugin is installed, and pytest
finds it by itself."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from queue_store import QueueStoreError
from tasks.pytest_plugin import IS_FOR_TESTS
from tasks.testing import QueueTester
from tests.support.documents import code_blocks

PAGE = "docs/testing.md"


def run_suite(directory: Path, chosen: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    for block in code_blocks(PAGE, "python"):
        name = block.code.split()[1]
        (directory / name).write_text(block.code)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "-k", chosen]
    return subprocess.run(
        command, cwd=directory, env={**os.environ, **environment}, capture_output=True, text=True, timeout=110
    )


def test_a_database_that_is_not_for_tests_is_left_alone(clean_database_url: str, tmp_path: Path) -> None:
    production = re.sub(r"/test_\w+", "/rpa_db", clean_database_url)
    assert production != clean_database_url
    done = run_suite(tmp_path, "negative or plain", TEST_DATABASE_URL=production)
    assert "use a database whose name has 'test' as a word" in done.stdout
    assert "1 passed, 4 deselected, 1 error" in done.stdout


@pytest.mark.parametrize(
    ("name", "is_for_tests"),
    [("test", True), ("shop_test", True), ("test_17", True), ("Test-shop", True), ("tests2", True),
     ("latest", False), ("contest", False), ("testimonials", False), ("attestation_db", False), ("", False)],
)  # fmt: skip
def test_a_name_is_for_tests_when_it_has_the_word(name: str, is_for_tests: bool) -> None:
    assert bool(IS_FOR_TESTS.search(name)) == is_for_tests


def test_without_a_database_an_embedded_one_is_started(tmp_path: Path) -> None:
    done = run_suite(tmp_path)
    assert re.search(r"^6 passed", done.stdout, re.MULTILINE), done.stdout + done.stderr


def test_what_would_make_a_test_pass_for_nothing_is_refused(
    own_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", own_database_url)
    tester = QueueTester()
    wrong: Any = "complete"
    with pytest.raises(
        QueueStoreError, match="'complete' is not a status: it must be one of pending, processing"
    ):
        tester.records(status=wrong)
    for wrong in (timedelta(minutes=-1), 60):
        with pytest.raises(QueueStoreError, match="pass_time takes a timedelta of 0 or more"):
            tester.pass_time(wrong)
    tester.pass_time(timedelta(0))
    assert tester.records(status="completed") == []
    tester.close()
