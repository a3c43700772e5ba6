"""A test runs every code block that a reader may copy. A short list names the exceptions, with reasons."""

import re

import pytest

from tests.docs.deployment import is_deployment
from tests.support.documents import ROOT, CodeBlock, code_blocks

RUN_BY = {
    "README.md": "tests/docs/test_readme_and_first_pages.py",
    "SECURITY.md": "tests/docs/test_security_page.py",
    "docs/celery-applications.md": "tests/docs/test_celery_applications_page.py",
    "docs/coming-from-celery.md": "tests/docs/test_readme_and_first_pages.py",
    "docs/django.md": "tests/docs/test_django_page.py",
    "docs/enqueueing.md": "tests/docs/test_enqueueing_page.py",
    "docs/flows.md": "tests/docs/test_flows.py",
    "docs/high-availability.md": "tests/database/test_logical_switchover.py",
    "docs/moving-in.md": "tests/docs/test_moving_in_page.py",
    "docs/own-schema.md": "tests/docs/test_own_schema_page.py",
    "docs/recipes.md": "tests/docs/test_recipes.py",
    "docs/runbook.md": "tests/docs/test_runbook.py",
    "docs/sql-contract.md": "tests/docs/test_sql_contract.py",
    "docs/testing.md": "tests/docs/test_testing_page.py",
    "docs/tutorial.md": "tests/docs/test_tutorial.py",
    "docs/typed-payloads.md": "tests/docs/test_typed_payloads_page.py",
    "docs/watching.md": "tests/docs/test_watching.py",
}
# Blocks that no test runs word for word, by their page and their first words.
NOT_RUN = {
    ("SECURITY.md", "$ queuectl grant-roles"): "tests/docs/test_security_page.py calls the same function",
    ("CONTRIBUTING.md", "make lint"): "a step of .ci/run",
    ("CONTRIBUTING.md", "make servers"): "tests/project/test_make_servers.py runs it",
    ("CONTRIBUTING.md", "export TEST_POSTGRES_URL="): "tests/project/test_make_servers.py uses both variables",
    ("README.md", "pip install 'processing-queue[worker]'"): "no registry has it; test_wheel.py installs a wheel",
    ("docs/django.md", "pip install 'processing-queue[django]'"): "no registry has the package",
    ("docs/django.md", "python manage.py migrate"): "tests/django/wagtail_site.py runs such a site",
    ("docs/celery-applications.md", "export DEVELOPMENT"): "tests/applications/ starts these processes",
    ("docs/broker.md", "export DEVELOPMENT"): "tests/workers/test_enqueue_task.py sets it",
    ("docs/high-availability.md", "export DATABASE_URL="): "tests/database/test_promotion_under_load.py sets it",
    ("docs/high-availability.md", "make promotion-evidence"): "makes a report; `make test-long` runs its test",
    ("docs/high-availability.md", "export DEVELOPMENT"): "tests/monitoring/ reads from such a replica",
    ("docs/upgrading.md", "git checkout"): "makes a checkout of an older commit",
    ("docs/watching.md", "export FLOWER_BASIC_AUTH="): "tests/queue_page/ starts Flower with each login",
    ("docs/watching.md", "queuectl metrics-server"): "serves until it is stopped; tests/metrics/ starts it",
    ("compose/README.md", "install -m 600"): "tests/compose/test_containers.py builds and starts the file",
    ("compose/README.md", "docker"): "needs Docker; tests/compose/test_readme.py compares all names",
    ("compose/README.md", "FROM processing-queue"): "shows an image of the reader's own",
    ("compose/README.md", "chmod 600"): "needs a Kubernetes cluster; test_readme.py compares all names",
}  # fmt: skip
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("compose/*.md"))
)
COMMAND = re.compile(
    r"^(export|queuectl|celery|psql|pip|make|python|gunicorn|docker|kubectl|\.venv/\S+) ", re.MULTILINE
)
# The `text` blocks of these pages are run. On other pages, a `text` block is run only if it shows a deployment and
# test_readme_and_first_pages.py runs the page.
RUN_AS_TEXT = (
    "docs/own-schema.md",
    "docs/runbook.md",
    "docs/tutorial.md",
)


def is_to_be_copied(block: CodeBlock) -> bool:
    return block.language != "text" or COMMAND.search(block.code) is not None


def is_run(block: CodeBlock) -> bool:
    if block.language == "text":
        is_deployed = is_deployment(block) and "first_pages" in RUN_BY.get(block.document, "")
        return block.document in RUN_AS_TEXT or is_deployed
    return block.document in RUN_BY and block.language != "console"


def exceptions_for(block: CodeBlock) -> list[tuple[str, str]]:
    return [(page, line) for page, line in NOT_RUN if page == block.document and block.code.startswith(line)]


COPIED = [block for page in PAGES for block in code_blocks(page) if is_to_be_copied(block)]


@pytest.mark.parametrize("block", COPIED, ids=str)
def test_a_block_is_run_or_says_why_not(block: CodeBlock) -> None:
    assert is_run(block) != bool(exceptions_for(block))


def test_no_exception_is_left_over() -> None:
    assert {found for block in COPIED for found in exceptions_for(block)} == NOT_RUN.keys()


@pytest.mark.parametrize("page", RUN_BY)
def test_the_named_test_takes_every_language_of_its_page(page: str) -> None:
    test = (ROOT / RUN_BY[page]).read_text()
    assert f'"{page}"' in test
    languages = {block.language for block in COPIED if block.document == page and is_run(block)}
    takes_all = re.search(r"code_blocks\((?:page|PAGE)\)|scenes\(\)", test)
    assert (
        takes_all or [name for name in languages if f'"{name}"' not in test and f"`{name}" not in test] == []
    )
