"""Checks the database server, its schema, and the clocks."""

from ..monitoring.rules import judge
from ..monitoring.rules.worker_rules import CLOCK_SKEW_SECONDS
from .diagnosis import Diagnosis, of_findings, ok, problem, warning
from .facts import QueueFacts, ServerFacts

OLDEST_SERVER = 150_000
NEEDED_EXTENSION = "plpgsql"
WAIT_SECONDS = 30.0  # a longer query_wait_timeout is a finding; docs/performance.md advises 10


def database(facts: ServerFacts) -> Diagnosis:
    version = facts.server.server_version
    if facts.set_up.server_version_number < OLDEST_SERVER:
        return problem(f"Postgres {version} is too old.", "upgrade the server to Postgres 15 or newer")
    if facts.server.takes_no_writes:
        kind = "a standby" if facts.server.is_replica else "set to read-only, often because its disk is full"
        return problem(
            f"Postgres {version} takes no writes: it is {kind}.",
            "name the primary in DATABASE_URL, or free this server's disk and set default_transaction_read_only off",
        )
    return ok(f"Postgres {version} answers and takes writes.")


def schema(facts: ServerFacts) -> Diagnosis:
    if facts.schema_problem:
        return problem(
            f"{facts.schema_problem}.", "run queuectl migrate with the newest version of this program"
        )
    return ok(f"at {facts.schema_version}, which fits this code.")


def guards(facts: QueueFacts) -> Diagnosis:
    if facts.missing_guards:
        return problem(
            "; ".join(facts.missing_guards) + ".",
            "restore this rule of the schema by hand; for rights: queuectl grant-roles",
        )
    return ok("all constraints, keys and triggers of the schema exist and are enabled.")


def extensions(facts: ServerFacts) -> Diagnosis:
    if NEEDED_EXTENSION not in facts.set_up.extensions:
        return problem(
            f"The language {NEEDED_EXTENSION} is missing: triggers and functions of the schema need it.",
            f"CREATE EXTENSION {NEEDED_EXTENSION}, then restore a backup: objects that were dropped with it are gone",
        )
    return ok(f"{NEEDED_EXTENSION} is installed; no other extension is needed.")


def pooler(facts: ServerFacts) -> Diagnosis:
    said = facts.pooler
    if said is None:
        return ok("none is named; connections go straight to Postgres.")
    if not said:
        return ok(
            "PgBouncer does not show its settings to this login; docs/performance.md says what they should be."
        )
    if said.get("pool_mode") == "statement":
        return problem("pool_mode is statement: there are no transactions.", "set pool_mode = transaction")
    seconds = float(said.get("query_wait_timeout", 0))
    if not 0 < seconds <= WAIT_SECONDS:
        return warning(
            f"query_wait_timeout is {seconds:g} s (0 means no limit): a statement hangs that long while Postgres "
            "cannot be reached.",
            "set query_wait_timeout = 10 and server_login_retry = 1 in pgbouncer.ini",
        )
    return ok(f"PgBouncer, pool_mode {said.get('pool_mode')}, query_wait_timeout {seconds:g} s.")


def clocks(facts: QueueFacts) -> Diagnosis:
    """Compares the clocks of the workers' hosts and of this host with the database's."""
    if found := of_findings(judge(facts.snapshot, ["wrong_clock"])):
        return found
    ahead = facts.server.clock_ahead_seconds
    if abs(ahead) > CLOCK_SKEW_SECONDS:
        return warning(
            f"The clock of this host is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the database's.",
            "start NTP on it (timedatectl, chronyc tracking), or on the database's host",
        )
    return ok("this host, the workers' hosts and the database agree.")


def response_time(facts: QueueFacts) -> Diagnosis:
    found = of_findings(judge(facts.snapshot, ["response_time"]))
    return found or ok(f"the database answers after {facts.snapshot.response_time_ms:.0f} ms.")
