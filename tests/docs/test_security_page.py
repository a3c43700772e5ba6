"""What SECURITY.md says can be done is done."""

from queue_store.database import roles
from tests.support.documents import code_blocks
from tests.support.store import Store

GRANTED = """
SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = ANY(%s)
"""
LOGINS = ("shop", "survey_worker", "dashboard", "duty_officer")


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
