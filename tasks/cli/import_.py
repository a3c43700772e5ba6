import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from queue_store.plural import plural

from .frame import (
    actor_option,
    confirm,
    dry_run_option,
    json_option,
    loaded_flows,
    processor,
    say,
    write_json,
    yes_option,
)

if TYPE_CHECKING:
    from queue_store.distributed_processor import DistributedProcessor
    from queue_store.moving_in.moving import Moved
    from queue_store.moving_in.source import Source

PROGRESS_SECONDS = 5.0
OF_TABLES = ("status_column", "pending", "moved", "id_column", "payload", "columns", "priority", "scheduled_at",
    "dedup_key", "order_key")  # fmt: skip


def table_option(name: str, wanted: str, **options: Any) -> Any:
    return click.option(name, help=f"Table: {wanted}", **options)


@click.command(name="import")
@click.argument("source", type=click.Choice(["procrastinate", "pgqueuer", "table"]))
@click.argument("table", required=False)
@click.option("--flow", "flows", multiple=True, metavar="[TASK=]FLOW",
    help="The flow for a task; by default the flow of the same name. For a table: the flow of its rows.")  # fmt: skip
@click.option(
    "--schema", help="The schema of the other system's tables. By default the search_path finds them."
)
@click.option(
    "--split-locks", is_flag=True, help="Procrastinate: also move jobs whose lock several flows share."
)
@table_option("--status-column", "the column of the status. [default: status]")
@table_option("--pending", "a status of rows that wait; may be repeated. [default: pending]", multiple=True)
@table_option("--moved", "the new status of rows that have become records. [default: moved]")
@table_option("--id-column", "the column that identifies a row: NOT NULL, unique and no array. [default: id]")
@table_option("--payload", "the column that holds the payload as JSON.")
@table_option(
    "--columns", "the columns of the payload, separated by commas. By default all except the status."
)
@table_option("--priority", "the column of the priority: 0 to 9, and 0 is the most urgent.")
@table_option("--scheduled-at", "the column of the time at which a record is due.")
@table_option("--dedup-key", "the column of the dedup_key.")
@table_option("--order-key", "the column of the order_key.")
@click.option("--batch-size", type=click.IntRange(1, 10_000), default=1_000, show_default=True,
    help="The number of jobs in one transaction.")  # fmt: skip
@dry_run_option
@yes_option
@actor_option
@json_option
def import_(
    source: str,
    table: str | None,
    flows: tuple[str, ...],
    schema: str | None,
    split_locks: bool,
    batch_size: int,
    dry_run: bool,
    yes: bool,
    actor: str,
    as_json: bool,
    **of_table: Any,
) -> None:
    """Turn the waiting jobs of Procrastinate, PgQueuer or a status table in the same database into records.

    Each batch is one transaction that locks the jobs, writes the records and takes the jobs from the other system. So
    no worker runs a job twice, and repeating the command moves no job twice. Use --dry-run first to see what would be
    moved. Exit 1 if some jobs cannot be moved.
    """
    chosen = _source(source, table, flows, schema, split_locks, of_table)
    loaded_flows()  # so that payloads are checked against the flows' types
    with processor("import") as queue:
        if dry_run or not yes:
            would = _move(queue, chosen, actor, batch_size, dry_run=True)
            if dry_run or not would.total:
                _report(chosen, would, as_json=as_json, dry_run=dry_run)
                return
            _say_moved(would, "would be moved", err=True)
        confirm("Move them?", yes)
        _report(
            chosen, _move(queue, chosen, actor, batch_size, dry_run=False), as_json=as_json, dry_run=False
        )


def _source(
    source: str,
    table: str | None,
    flows: Sequence[str],
    schema: str | None,
    split_locks: bool,
    of_table: dict[str, Any],
) -> "Source":
    from queue_store.moving_in.pgqueuer import PgQueuer
    from queue_store.moving_in.procrastinate import Procrastinate

    if source == "table":
        return _status_table(table, flows, schema, of_table)
    if table is not None:
        raise click.UsageError(f"the tables of {source} have known names: leave out {table}")
    if given := [name for name in OF_TABLES if of_table[name]]:
        raise click.UsageError(f"--{given[0].replace('_', '-')} is only for queuectl import table")
    pairs = [flow.partition("=") for flow in flows]
    if wrong := [task for task, _, flow in pairs if not task or not flow]:
        raise click.UsageError(f"--flow takes TASK=FLOW, not {wrong[0]}")
    flow_names = {task: flow for task, _, flow in pairs}
    if source == "procrastinate":
        return Procrastinate(flow_names, schema, splits_locks=split_locks)
    return PgQueuer(flow_names, schema)


def _status_table(
    table: str | None, flows: Sequence[str], schema: str | None, of_table: dict[str, Any]
) -> "Source":
    from queue_store.moving_in.status_table import Columns, StatusTable

    if table is None or len(flows) != 1:
        raise click.UsageError("name the table and one flow: queuectl import table NAME --flow FLOW")
    pending, moved = of_table["pending"] or ("pending",), of_table["moved"] or "moved"
    if moved in pending:
        raise click.UsageError("--moved must differ from --pending")
    if of_table["payload"] and of_table["columns"]:
        raise click.UsageError(
            "the payload is in one column or in several: pass --payload or --columns, not both"
        )
    fields = tuple(filter(None, (name.strip() for name in (of_table["columns"] or "").split(","))))
    columns = Columns(
        status=of_table["status_column"] or "status",
        id=of_table["id_column"] or "id",
        fields=fields,
        **{
            name: of_table[name] for name in ("payload", "priority", "scheduled_at", "dedup_key", "order_key")
        },
    )
    return StatusTable(table, flows[0], columns, pending, moved, schema)


def _move(
    queue: "DistributedProcessor", source: "Source", actor: str, batch_size: int, *, dry_run: bool
) -> "Moved":
    from queue_store.moving_in.moving import move_in

    said_at = time.monotonic()

    def progress(looked_at: int) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= PROGRESS_SECONDS:
            said_at = time.monotonic()
            say(f"{plural(looked_at, 'job')} looked at …", err=True)

    return move_in(
        queue.database, source, actor=actor, batch_size=batch_size, dry_run=dry_run, progress=progress
    )


def _report(source: "Source", done: "Moved", *, as_json: bool, dry_run: bool) -> None:
    from dataclasses import asdict

    if as_json:
        write_json({"is_dry_run": dry_run, "source": source.label, "total": done.total, **asdict(done)})
    else:
        _say_moved(done, "would be moved" if dry_run else "moved")
        locked = done.waiting - sum(left.count for left in done.left)
        if locked > 0 and not dry_run:
            say(
                f"{plural(locked, 'job')} not moved: new, or locked by other sessions. Call this command again."
            )
    if done.left:
        sys.exit(1)


def _say_moved(done: "Moved", what: str, *, err: bool = False) -> None:
    say(f"{plural(done.total, 'job')} {what}.", err=err)
    for flow_name, count in sorted(done.moved.items()):
        say(f"  {flow_name}: {count:,}", err=err)
    for left in done.left:
        ids = ", ".join(map(str, left.ids)) + (" …" if left.count > len(left.ids) else "")
        say(f"  not moved: {plural(left.count, 'job')} of {left.name}: {left.reason} (ids {ids})", err=err)
    if done.running:
        say(f"The old workers still hold {plural(done.running, 'job')}.", err=err)
