"""The database server, its schema, and the clocks."""

from ..monitoring.rules import judge
from .diagnosis import Diagnosis, of_findings, ok, problem, warning
from .facts import QueueFacts, ServerFacts

OLDEST_SERVER = 150_000
NEEDED_EXTENSION = "plpgsql"
CLOCK_SECONDS = {"warning": 2.0, "problem": 5.0}  # hints of fan_out expire after 5 s by the hosts' clocks


def database(facts: ServerFacts) -> Diagnosis:
    version = facts.server.server_version
    if facts.set_up.server_version_number < OLDEST_SERVER:
        return problem(f"Postgres {version} is too old.", "upgrade the server to Postgres 15 or newer")
    if facts.set_up.is_read_only:
        kind = "a standby" if facts.server.is_replica else "set to read-only, often because its disk is full"
        return problem(
            f"Postgres {version} takes no writes: it is {kind}.",
            "name the primary in DATABASE_URL, or free its disk and set default_transaction_read_only off",
        )
    return ok(f"Postgres {version} answers and takes writes.")


def schema(facts: ServerFacts) -> Diagnosis:
    if facts.schema_problem:
        return problem(
            f"{facts.schema_problem}.", "run queuectl migrate with the newest version of this program"
        )
    return ok(f"at {facts.schema_version}, which this code works on.")


def guards(facts: QueueFacts) -> Diagnosis:
    if facts.missing_guards:
        return problem(
            "; ".join(facts.missing_guards) + ".",
            "restore the rule that is named by hand; for rights: queuectl grant-roles",
        )
    return ok("all constraints, keys and triggers of the schema are there and enabled.")


def extensions(facts: ServerFacts) -> Diagnosis:
    if NEEDED_EXTENSION not in facts.set_up.extensions:
        return problem(
            f"The language {NEEDED_EXTENSION} is missing: triggers and functions of the schema need it.",
            f"CREATE EXTENSION {NEEDED_EXTENSION}, then restore a backup: what was dropped with it is gone",
        )
    return ok(f"{NEEDED_EXTENSION} is there; no other is needed.")


def clocks(facts: ServerFacts) -> Diagnosis:
    ahead = facts.clock_ahead_seconds
    message = (
        f"The clock of this host is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the database's: Celery "
        "throws hints away that look expired."
    )
    next_step = "start the time service (chrony, systemd-timesyncd) on this host and on the database's"
    if abs(ahead) > CLOCK_SECONDS["problem"]:
        return problem(message, next_step)
    if abs(ahead) > CLOCK_SECONDS["warning"]:
        return warning(message, next_step)
    return ok("this host and the database agree.")


def response_time(facts: QueueFacts) -> Diagnosis:
    found = of_findings(judge(facts.snapshot, ["response_time"]))
    return found or ok(f"the database answers after {facts.snapshot.response_time_ms:.0f} ms.")
