import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from queue_store.plural import plural, word

from .frame import (
    BoundedNumber,
    Progress,
    actor_option,
    confirm,
    json_option,
    processor,
    say,
    write_json,
    yes_option,
)

if TYPE_CHECKING:
    from queue_store.database.manager import DatabaseManager

_RESUME = "queuectl resume --all"


@click.command()
@click.option(
    "--backup", "file", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A new file."
)
@click.option(
    "--wait-seconds",
    type=BoundedNumber(0, 3600),
    default=60,
    show_default=True,
    help="How long to wait for running work, in seconds.",
)
@click.option("--no-resume", is_flag=True, help="Leave everything stopped at the end.")
@yes_option
@actor_option
@json_option
def recover(file: Path, wait_seconds: float, no_resume: bool, yes: bool, actor: str, as_json: bool) -> None:
    """Stop, back up, analyse, repair, analyse again and resume. Use this in drills and emergencies.

    If the repair leaves a problem, everything stays stopped, and the exit code is 1. If ingestion or processing
    was already stopped before the recovery, it is not resumed.
    """
    from queue_store.operators.backup_file import check_new_file

    check_new_file(file)
    confirm("Stop ingestion and processing of all flows, back up, and repair?", yes)
    tell = partial(say, err=as_json)
    with processor("recover") as queue:
        tell("1. Stop")
        ingestion_was_open = queue.stop_ingestion(None, actor=actor, reason="queuectl recover")
        processing_was_open = queue.stop_processing(actor=actor, reason="queuectl recover")
        try:
            _wait_for_runs(queue.database, wait_seconds)
            done = _recover(queue.database, file, actor, tell)
        except BaseException:
            say(f"5. Not resumed: solve the problem first, then call {_RESUME}", err=True)
            raise
        if ingestion_was_open and not no_resume:
            queue.resume_ingestion(None, actor=actor)
        if processing_was_open and not no_resume:
            queue.resume_processing(actor=actor)
    if no_resume:
        tell(f"5. Not resumed, because of --no-resume. Resume with: {_RESUME}")
    else:
        tell(f"5. {_resumed(bool(ingestion_was_open), bool(processing_was_open))}")
    if as_json:
        stays = {
            "ingestion_stopped": no_resume or not ingestion_was_open,
            "processing_stopped": no_resume or not processing_was_open,
        }
        write_json(done | stays)


def _recover(
    database: "DatabaseManager", file: Path, actor: str, tell: Callable[[str], None]
) -> dict[str, object]:
    """Raises ClickException if problems are left after the repair."""
    from queue_store import maintenance
    from queue_store.operators.backup import write_backup
    from queue_store.readings.integrity import find_violations

    manifest = write_backup(database, file, partial(Progress(), "backup"))
    record_count = manifest.row_counts["processing_queue"]
    tell(f"2. Back up: {record_count} records in {file}")
    with database.transaction() as cursor:
        found = find_violations(cursor, full=True)
    tell(f"3. Analyse: {plural(len(found), 'problem')}")
    on_progress = partial(Progress(), "repair")
    with maintenance.begin(database, "repair", dry_run=False, actor=actor, on_progress=on_progress) as run:
        repaired = maintenance.repair(run)
    tell(f"4. Repair: {plural(sum(repaired.values()), 'row')}")
    with database.transaction() as cursor:
        left = find_violations(cursor, full=True)
    for violation in left:
        say(f"   left: {violation.problem}. {violation.check.repair}", err=True)
    if left:
        raise click.ClickException(
            f"repair left {plural(len(left), 'problem')}, and everything stays stopped"
        )
    return {
        "backup": str(file),
        "record_count": record_count,
        "problem_count": len(found),
        "repaired": repaired,
    }


def _resumed(ingestion: bool, processing: bool) -> str:
    """Says what is still stopped after the recovery. Everything that was stopped before the recovery stays stopped
    until somebody resumes it."""
    stays = [
        name for name, was_open in (("ingestion", ingestion), ("processing", processing)) if not was_open
    ]
    if not stays:
        return "Resumed"
    return f"{' and '.join(stays).capitalize()}: still stopped, as before. Resume with: {_RESUME}"


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
            say(
                f"   {plural(running, 'run')} still {word(running, 'works', 'work')}; "
                "the backup is consistent nevertheless",
                err=True,
            )
            return
        time.sleep(0.5)
