"""Advice for the case that the server answers, but refuses the login or has no such database.

A refused connection has no SQLSTATE in the driver, so the message texts of Postgres and PgBouncer identify the reason.
"""

import shlex

from queue_store.database_url import Address

NO_DATABASE = ('database "{name}" does not exist', "no such database: {name}")
NO_ROLE = ('role "{name}" does not exist', "no such user: {name}", "no such user")
WRONG_PASSWORD = ("password authentication failed", "SASL authentication failed")
NO_PASSWORD = ("no password supplied",)
NOT_ADMITTED = ("no pg_hba.conf entry",)

WRONG = (
    "The server was reached, but refuses the login: the password is wrong, or the role does not exist. Correct the "
    "user and the password in the URL, with %40 in place of @ and %2F in place of /. Or let an administrator set a new "
    "password: \\password ROLE in psql."
)
MISSING = "Put the password into the URL, or into the file that PGPASSFILE names."
ADMIT = "Add a line for this host, login and database to the server's pg_hba.conf, and reload it."


def advice_on_login(url: Address, reason: str) -> str | None:
    """The advice for a refusal with this reason; None if the reason does not concern the login. The advice may name
    the database and the login, but never the password."""
    database, login = url.database or "", getattr(url, "username", None) or ""
    if _is_in(reason, NO_DATABASE, database):
        return (
            f"The server was reached, but has no database {database}. Create it with a login that may create "
            f"databases: {_command('createdb', url, database)}, then run queuectl migrate. Or correct the database's "
            "name in the URL."
        )
    if _is_in(reason, NO_ROLE, login):
        return (
            f"The server was reached, but has no role {login}. Create the role as an administrator: "
            f"{_command('createuser --pwprompt', url, login)}. Or correct the user in the URL."
        )
    for texts, advice in ((WRONG_PASSWORD, WRONG), (NO_PASSWORD, MISSING), (NOT_ADMITTED, ADMIT)):
        if _is_in(reason, texts):
            return advice
    return None


def _is_in(reason: str, texts: tuple[str, ...], name: str = "") -> bool:
    return any(text.format(name=name) in reason for text in texts)


def _command(program: str, url: Address, name: str) -> str:
    """The command to run, with the server's address. If the URL names several servers, the command contains no address,
    because only the administrator knows which server is the primary."""
    host, port = url.query.get("host") or url.host, url.query.get("port") or url.port
    where = ""
    if host and "," not in str(host):
        where = f" -h {shlex.quote(str(host))}" + (f" -p {port}" if port else "")
    return f"`{program}{where} {shlex.quote(name)}`"
