"""Celery's remote control, without the commands that affect records or memory. Everybody who can write to the broker
can send commands.

If a process is ended with a record in flight, that record gets a crash strike. By default, a record fails after three
crash strikes. So KEPT contains no command that kills a process or sets a limit at which a process is killed.
"""

from celery.worker.control import Panel

# Most commands in KEPT only read something. The others can at worst delay work. Even `shutdown` is harmless: a worker
# that is shut down cleanly gives its records back.
KEPT = frozenset({
    "active", "active_queues", "add_consumer", "cancel_consumer", "clock", "conf", "disable_events", "dump_active",
    "dump_conf", "dump_reserved", "dump_revoked", "dump_schedule", "dump_tasks", "enable_events", "heartbeat", "hello",
    "list_bindings", "ping", "pool_shrink", "query_task", "query_tasks", "rate_limit", "registered", "report",
    "reserved", "revoked", "scheduled", "shutdown", "stats",
})  # fmt: skip


def keep_harmless_commands() -> None:
    for name in [*Panel.data]:
        if name not in KEPT:
            del Panel.data[name]
