import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tasks.cli.frame import BoundedNumber, actor_option, confirm, processor, say, yes_option

if TYPE_CHECKING:
    from queue_store.database_manager import DatabaseManager


@click.command()
@click.option(
    "--backup", "file", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A new file."
)
@click.option(
    "--wait-seconds", type=BoundedNumber(0, 3600), default=60, show_default=True, help="For running work."
)
@click.option("--no-resume", is_flag=True, help="Leave everything stopped at the end.")
@yes_option
@actor_option
def recover(file: Path, wait_seconds: float, no_resume: bool, yes: bool, actor: str) -> None:
    """Stop, back up, analyse, repair, analyse again, resume: the drill, and the real thing.

    What repair cannot put right keeps everything stopped. Exit 1 then.
    """
    from queue_store import maintenance
    from queue_store.backup import write_backup
    from queue_store.readings.integrity import find_violations

    confirm("Stop ingestion and processing of all flows, back up, and repair?", yes)
    with processor("recover") as queue:
        database = queue.database
        say("1. Stop")
        queue.stop_ingestion(None, actor=actor, reason="queuectl recover")
        queue.stop_processing(actor=actor, reason="queuectl recover")
        _wait_for_runs(database, wait_seconds)
        say(f"2. Back up: {write_backup(database, file).row_counts['processing_queue']} records in {file}")
        with database.transaction() as cursor:
            found = find_violations(cursor, full=True)
        say(f"3. Analyse: {len(found)} problem(s)")
        with maintenance.begin(database, "repair", dry_run=False, actor=actor) as run:
            repaired = maintenance.repair(run)
        say(f"4. Repair: {sum(repaired.values())} row(s)")
        with database.transaction() as cursor:
            left = find_violations(cursor, full=True)
        for violation in left:
            say(f"   left: {violation.problem}. {violation.check.repair}", err=True)
        if left:
            say("5. Not resumed: put right what is left, then queuectl resume --all", err=True)
            raise SystemExit(1)
        if no_resume:
            say("5. Not resumed, as you said. Go on with: queuectl resume --all")
            return
        queue.resume_ingestion(None, actor=actor)
        queue.resume_processing(actor=actor)
        say("5. Resumed")


def _wait_for_runs(database: "DatabaseManager", wait_seconds: float) -> None:
    from queue_store.readings.fleet import read_fleet
    from queue_store.settings import load_processor_settings

    settings, began = load_processor_settings(), time.monotonic()
    while True:
        with database.transaction() as cursor:
            running = sum(runs.run_count for runs in read_fleet(cursor, settings).runs)
        if not running:
            return
        if time.monotonic() - began >= wait_seconds:
            say(f"   {running} run(s) still work; the backup is consistent all the same", err=True)
            return
        time.sleep(0.5)
