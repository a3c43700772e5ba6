"""The rights of each role, declared by hand. All other rights belong to the owner alone."""

from queue_store.queue_schema import role_name
from tests.support.schemas import TEST_SCHEMA

OWNER, OPERATOR, WORKER, PRODUCER, FLOW_PRODUCER, MONITOR, NOBODY = ROLES = (
    "owner", "operator", "worker", "producer", "flow_producer", "monitor", "nobody",
)  # fmt: skip
GRANTED = {
    OPERATOR: "admin", WORKER: "worker", PRODUCER: "producer", FLOW_PRODUCER: "flow_producer", MONITOR: "monitor",
}  # fmt: skip

NEW_RECORD = "flow_name, payload, priority, scheduled_at, dedup_key, order_key, correlation_id, trace_context"
STATE = (
    "status, scheduled_at, updated_at, claimed_at, started_at, completed_at, flow_instance_id, claim_number, "
    "retry_count, crash_strikes, batch_limit, unfinished_claims, error_message, result"
)
ALL = "select insert update delete truncate"
WRITE = "select insert update"
WORKED = (
    "cancel_requests", "record_progress", "rollup_deltas", "processed_surveys", "flows", "worker_processes",
    "flow_execution_logs", "record_attempts", "schedule_occurrences", "rollup_progress", "queue_control",
    "rollup_minutes", "rollup_totals", "rollup_hours", "depth_minutes", "alerts", "alert_notices", "maintenance_runs",
    "beats", "beat_leader", "baselines", "connection_checks", "open_slices", "error_hours", "alert_contacts",
    "rollup_overall",
)  # fmt: skip
READ_ONLY = ("audit_log", "audit_seal", "producer_flows", "schema_version")

# For each role and table, the allowed verbs. Each verb covers the whole table, the named columns, or all columns except
# the named ones.
TABLES: dict[str, dict[str, str]] = {
    OPERATOR: dict.fromkeys(("processing_queue", *WORKED), ALL)
    | dict.fromkeys(READ_ONLY, "select")
    | {"audit_log": "select insert"},
    WORKER: dict.fromkeys((*WORKED, *READ_ONLY), "select")
    | dict.fromkeys(("rollup_minutes", "rollup_totals", "rollup_hours", "depth_minutes"), WRITE)
    | dict.fromkeys(("flows", "worker_processes", "flow_execution_logs", "record_attempts"), WRITE)
    | dict.fromkeys(("schedule_occurrences", "rollup_progress"), WRITE)
    | dict.fromkeys(
        ("cancel_requests", "record_progress", "rollup_deltas", "open_slices", "error_hours"),
        f"{WRITE} delete",
    )
    | {"processed_surveys": f"{WRITE} delete", "processing_queue": f"select insert update({STATE})"},
    PRODUCER: {"processing_queue": f"insert({NEW_RECORD})"},
    FLOW_PRODUCER: {"processing_queue": f"insert({NEW_RECORD})"},
    MONITOR: dict.fromkeys((*WORKED, *READ_ONLY), "select")
    | {"processing_queue": "select-but(payload, result)", "processed_surveys": "", "open_slices": ""},
    NOBODY: {},
}

# From Postgres 17 on, these roles have the right MAINTAIN on the tables that they vacuum. MAINTAIN includes the right
# to lock these tables.
MAINTAINERS = {OPERATOR, WORKER}
MAINTAINED = (
    "processing_queue",
    "flow_execution_logs",
    "worker_processes",
    "rollup_deltas",
    "record_attempts",
)

PRODUCERS = {OPERATOR, WORKER, PRODUCER, FLOW_PRODUCER}
READERS = {OPERATOR, WORKER, MONITOR}
# SECURITY DEFINER functions. All our other functions run with the caller's rights, and everyone may call them.
FUNCTIONS: dict[str, set[str]] = {
    "enqueue_record": PRODUCERS, "enqueue_or_explain": PRODUCERS, "own_records": PRODUCERS,
    "enqueue_with_task_id": PRODUCERS,
    "cancel_own_records": PRODUCERS, "known_flows": PRODUCERS | {MONITOR}, "purge_audit": {OPERATOR},
    "seal_audit_anew": {OPERATOR}, "is_limited_producer": set(), "refuse_flows_of_others": set(),
    "account_for_insert": set(), "account_for_delete": set(), "account_for_truncate": set(), "seal_audit": set(),
    "sum_minutes": set(),
}  # fmt: skip
# For each verb, the roles that may use that verb on every sequence.
SEQUENCES: dict[str, set[str]] = {
    "usage": {OPERATOR, WORKER}, "select": {OPERATOR, MONITOR}, "update": {OPERATOR},
}  # fmt: skip

ENQUEUE = "SELECT enqueue_or_explain('{}', '{{}}', 5::smallint, NULL, 0, NULL, 'skip', NULL, NULL, NULL, {})"
STOP = "UPDATE queue_control SET ingestion_stopped_at = now()"
# Actions that no single right covers. Each value is a statement and the roles that may execute it. Unlike the
# declarations above, ACTIONS also names the owner.
ACTIONS: dict[str, tuple[str, set[str]]] = {
    "enqueue the flow that it is limited to": (ENQUEUE.format("allowed", False), {OWNER, *PRODUCERS}),
    "enqueue another flow": (ENQUEUE.format("other", False), {OWNER, *PRODUCERS} - {FLOW_PRODUCER}),
    "insert a record of another flow": (
        "INSERT INTO processing_queue (flow_name) VALUES ('other')",
        {OWNER, *PRODUCERS} - {FLOW_PRODUCER},
    ),
    "replace the payload of another login": (
        "SELECT enqueue_record('allowed', dedup_key => 'of the shop', on_duplicate => 'replace')",
        {OWNER, OPERATOR},
    ),
    "cancel the record of another login": (
        "SELECT 1 / count(*) FROM cancel_own_records(ARRAY(SELECT max(record_id) FROM id_of_the_shop))",
        set(),
    ),
    "pass a stopped ingestion as a follow-up": (
        "SET LOCAL processing_queue.follow_up = on; SELECT enqueue_record('stopped')",
        {OWNER, OPERATOR, WORKER},
    ),
    "switch off triggers and foreign keys": ("SET session_replication_role = replica", set()),
    "disable the triggers of a table": ("ALTER TABLE processing_queue DISABLE TRIGGER USER", {OWNER}),
    "drop a rule": ("ALTER TABLE processing_queue DROP CONSTRAINT processing_queue_state", {OWNER}),
    "replace a function": ("ALTER FUNCTION enqueue_record SECURITY INVOKER", {OWNER}),
    "grant": (
        "GRANT SELECT ON processing_queue TO PUBLIC; SELECT 1 / count(*) FROM pg_class, aclexplode(relacl) AS granted"
        " WHERE relname = 'processing_queue' AND granted.grantee = 0",
        {OWNER},
    ),
    "take on the operator's role": (f"SET ROLE {role_name('admin')}", {OPERATOR}),
    "take on the worker's role": (f"SET ROLE {role_name('worker')}", {WORKER}),
    "give itself the operator's role": (f"GRANT {role_name('admin')} TO CURRENT_USER", set()),
    "become another login": ("SET SESSION AUTHORIZATION matrix_owner", {OWNER}),
    "create a table next to ours": (f"CREATE TABLE {TEST_SCHEMA}.mine (id integer)", {OWNER}),
    "create a function next to ours": (
        f"CREATE FUNCTION {TEST_SCHEMA}.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        {OWNER},
    ),
    "create an operator next to ours": (
        f"CREATE OPERATOR {TEST_SCHEMA}.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_catalog.texteq)",
        {OWNER},
    ),
    "create a schema": ("CREATE SCHEMA mine", {OWNER}),
    "change what the server logs": ("SET log_statement = 'none'", set()),
    "run a program on the server": ("COPY (SELECT 1) TO PROGRAM 'true'", set()),
    "read a file of the server": ("SELECT pg_read_file('postgresql.conf')", set()),
    "hold the lock of the migrations": (
        "LOCK TABLE schema_version IN SHARE UPDATE EXCLUSIVE MODE NOWAIT",
        {OWNER},
    ),
    "read the statements of other sessions": (
        "SELECT 1 / count(*) FROM pg_stat_activity WHERE query LIKE '%a statement of the shop%'"
        " AND pid <> pg_backend_pid()",
        {OPERATOR, WORKER},
    ),
    "end the session of another login": (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'matrix_shop'",
        {OPERATOR, WORKER},
    ),
}
