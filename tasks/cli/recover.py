import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from queue_store.plural import plural, word

from .errors import follows_ctrl_c
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
    from queue_store.distributed_processor import DistributedProcessor

_RESUME = "queuectl resume --all"
_Switch = Literal["ingestion", "processing"]


@dataclass(slots=True)
class _Stopped:
    """What this recovery has stopped and not resumed. `is_certain` is false if Ctrl-C interrupted a stop or a resume,
    or if its connection broke during the COMMIT."""

    switches: list[_Switch] = field(default_factory=list["_Switch"])
    is_certain: bool = True


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
    was already stopped before the recovery, it is not resumed. If the recovery fails or is interrupted, it
    names what it has stopped and not resumed, and the command that resumes exactly that.
    """
    from queue_store.operators.backup_file import check_new_file

    check_new_file(file)
    confirm("Stop ingestion and processing of all flows, back up, and repair?", yes)
    tell = partial(say, err=as_json)
    stopped = _Stopped()
    with processor("recover") as queue:
        try:
            tell("1. Stop")
            _stop(queue, stopped, actor)
            were_open = tuple(stopped.switches)
            _wait_for_runs(queue.database, wait_seconds)
            done = _recover(queue.database, file, actor, tell)
            if not no_resume:
                _resume(queue, stopped, actor)
        except BaseException:
            _say_what_is_stopped(stopped)
            raise
    if no_resume:
        tell(f"5. Not resumed, because of --no-resume. Resume with: {_RESUME}")
    else:
        tell(f"5. {_resumed('ingestion' in were_open, 'processing' in were_open)}")
    if as_json:
        stays = {
            "ingestion_stopped": no_resume or "ingestion" not in were_open,
            "processing_stopped": no_resume or "processing" not in were_open,
        }
        write_json(done | stays)


def _stop(queue: "DistributedProcessor", stopped: _Stopped, actor: str) -> None:
    """What was stopped before is not added to `stopped`."""
    stops: dict[_Switch, Callable[..., list[str]]] = {
        "ingestion": partial(queue.stop_ingestion, None),
        "processing": queue.stop_processing,
    }
    for switch, stop in stops.items():
        try:
            if stop(actor=actor, reason="queuectl recover"):
                stopped.switches.append(switch)
        except BaseException as error:
            if _may_have_committed(error):
                stopped.switches = [*dict.fromkeys((*stopped.switches, switch))]
                stopped.is_certain = False
            raise


def _resume(queue: "DistributedProcessor", stopped: _Stopped, actor: str) -> None:
    """Removes from `stopped` what is resumed."""
    resumes: dict[_Switch, Callable[..., list[str]]] = {
        "ingestion": partial(queue.resume_ingestion, None),
        "processing": queue.resume_processing,
    }
    for switch in tuple(stopped.switches):
        try:
            resumes[switch](actor=actor)
            stopped.switches.remove(switch)
        except BaseException as error:
            stopped.is_certain = not _may_have_committed(error)
            raise


def _may_have_committed(error: BaseException) -> bool:
    """Ctrl-C can interrupt a call after its COMMIT."""
    from queue_store.errors import CommitUnknownError

    return isinstance(error, CommitUnknownError) or follows_ctrl_c(error)


def _say_what_is_stopped(stopped: _Stopped) -> None:
    names = stopped.switches
    if not names:
        return
    command = _RESUME if len(names) > 1 else f"queuectl resume --{names[0]}"
    stays = f"{' and '.join(names)} {word(len(names), 'is', 'are')} stopped"
    stays = stays if stopped.is_certain else f"perhaps {stays}"
    say(
        f"5. Not resumed: solve the problem first, then call {command}. {stays[0].upper()}{stays[1:]}.",
        err=True,
    )


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
