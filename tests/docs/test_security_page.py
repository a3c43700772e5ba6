"""The SQL statements in SECURITY.md work, and each promise on that page names a test that exists."""

import re

from queue_store.database import roles
from tests.support.documents import ROOT, code_blocks, table_rows
from tests.support.store import Store

GRANTED = """
SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = ANY(%s)
"""
LOGINS = ("shop", "partner", "survey_worker", "dashboard", "duty_officer")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_the_roles_can_be_given_to_logins(store: Store) -> None:
    roles.grant_roles(store.database)
    [block] = code_blocks("SECURITY.md", "sql")
    statements = [statement for statement in block.code.split(";") if statement.strip()]
    driver = store.held().driver
    for statement in statements:
        driver.execute(statement.encode())
    granted = driver.execute(GRANTED, (list(LOGINS),)).fetchone()
    driver.rollback()  # roles belong to the whole server
    assert granted == (len(LOGINS),)


def test_each_promise_names_its_test() -> None:
    rows = [row for row in table_rows("SECURITY.md") if len(row) == 2]
    promises = rows[rows.index(["promise", "held by"]) + 2 :]
    assert len(promises) >= 30
    for promise, test in promises:
        named = NAMED.fullmatch(test)
        assert named, promise
        assert f"def {named[2]}(" in (ROOT / named[1]).read_text(), promise
