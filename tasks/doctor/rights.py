"""Checks the roles, their rights, and the roles of this login."""

from queue_store.queue_schema import queue_schema, role_name

from .diagnosis import Diagnosis, ok, problem, warning
from .facts import ServerFacts

NAMED_AT_MOST = 3
GRANT_AGAIN = "run queuectl grant-roles as the owner of the tables"


def roles(facts: ServerFacts) -> Diagnosis:
    rights = facts.rights
    if rights.everybody_may_create:
        return problem(
            f"Every login may create objects in the schema {queue_schema()}: no role is safe there.",
            f"REVOKE CREATE ON SCHEMA {queue_schema()} FROM PUBLIC, then call queuectl grant-roles",
        )
    if not facts.roles_are_granted:
        return _without_roles(facts)
    if rights.missing:
        more = (
            f" and {len(rights.missing) - NAMED_AT_MOST} more" if len(rights.missing) > NAMED_AT_MOST else ""
        )
        return problem("; ".join(rights.missing[:NAMED_AT_MOST]) + f"{more}.", GRANT_AGAIN)
    if len(rights.worker_logins) > 1 and not rights.rescue_sees_sessions:
        return warning(
            f"Workers log in as {', '.join(rights.worker_logins)}, and may not end each other's sessions: rows "
            "that a frozen process has locked stay locked.",
            f"GRANT pg_read_all_stats, pg_signal_backend TO {role_name('worker')}, or let all workers use one login",
        )
    return ok(f"granted; this login, {rights.login}, {_has(facts)}.")


def _without_roles(facts: ServerFacts) -> Diagnosis:
    """If all processes log in as the owner, the installation needs no roles."""
    rights = facts.rights
    others = [login for login in rights.worker_logins if login != rights.login]
    if rights.is_owner and not others:
        return ok(f"none is granted; {rights.login} owns the tables. Other logins need queuectl grant-roles.")
    return warning(
        f"No role is granted; this login, {rights.login}, {_has(facts)}"
        + (f", and workers log in as {', '.join(others)}." if others else "."),
        f"{GRANT_AGAIN}, then give each login its role",
    )


def _has(facts: ServerFacts) -> str:
    if facts.rights.is_owner:
        return "owns the tables"
    names = [name.removeprefix("processing_queue_") for name in facts.rights.roles]
    return f"has the role {' and '.join(names)}" if names else "has no role of the queue"
