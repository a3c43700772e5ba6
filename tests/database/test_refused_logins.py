"""If the server refuses a login, the error names what is missing and a remedy, but never the password."""

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy.engine import make_url

from queue_store.database.driver_errors import CHECK_CONNECTION, unavailable
from queue_store.database_url import parse_database_url
from tasks.cli import main
from tests.support.pgbouncer import direct_only

SECRET = "sesame"
URL = f"postgresql://app:{SECRET}@db.example.net:6432/shop"


def said_by(url: str, monkeypatch: pytest.MonkeyPatch, command: str = "status") -> str:
    monkeypatch.setenv("DATABASE_URL", url)
    result = CliRunner().invoke(main, [command])
    assert result.exit_code == 3, result.output
    assert SECRET not in result.output
    return " ".join(result.output.split())


def changed(url: str, **parts: str) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)


@pytest.mark.parametrize("command", ["status", "migrate"])
def test_a_database_that_does_not_exist_can_be_created_by_the_command_that_is_said(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    said = said_by(changed(clean_database_url, database="not yet"), monkeypatch, command)
    assert "has no database not yet. Create it with a login that may create databases: `createdb " in said
    assert "'not yet'`, then run queuectl migrate" in said
    assert CHECK_CONNECTION not in said


@direct_only
def test_a_role_that_does_not_exist_can_be_created_by_the_command_that_is_said(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = said_by(changed(clean_database_url, username="nobody_yet", password=SECRET), monkeypatch)
    assert "has no role nobody_yet. Create the role as an administrator: `createuser --pwprompt " in said
    assert "nobody_yet`. Or correct the user in the URL." in said


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (
            'FATAL:  database "shop" does not exist',
            "Create it with a login that may create databases: `createdb -h db.example.net -p 6432 shop`",
        ),
        ("FATAL:  no such database: shop", "`createdb -h db.example.net -p 6432 shop`"),
        ('FATAL:  role "app" does not exist', "`createuser --pwprompt -h db.example.net -p 6432 app`"),
        (
            'FATAL:  password authentication failed for user "app"',
            "the password is wrong, or the role does not exist",
        ),
        ("fe_sendauth: no password supplied", "Put the password into the URL"),
        (
            'FATAL:  no pg_hba.conf entry for host "10.0.0.7", user "app", database "shop", no encryption',
            "to the server's pg_hba.conf",
        ),
        ("Connection refused", CHECK_CONNECTION),
        ('FATAL:  database "other" does not exist', CHECK_CONNECTION),
    ],
)
def test_each_answer_has_its_advice(answer: str, advice: str) -> None:
    error = psycopg.OperationalError(f"connection to server failed: {answer} ({SECRET})")
    said = str(unavailable(parse_database_url(URL), error))
    assert advice in said
    assert SECRET not in said


def test_of_several_servers_none_is_named() -> None:
    url = parse_database_url("postgresql://app@h1:5432,h2:5432/shop")
    error = psycopg.OperationalError('FATAL:  database "shop" does not exist')
    assert "`createdb shop`" in str(unavailable(url, error))
