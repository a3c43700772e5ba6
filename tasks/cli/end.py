import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .frame import BoundedNumber, actor_option, json_option, migrated_database, reason_option, say, write_json

if TYPE_CHECKING:
    from queue_store.database.manager import DatabaseManager
    from queue_store.operators.ends import AskedToEnd, EndAnswer

LOOK_SECONDS = 0.2


@click.command()
@click.argument("record_ids", nargs=-1, required=True, type=click.IntRange(1, 2**63 - 1), metavar="ID...")
@click.option(
    "--claim",
    "claim_number",
    type=click.IntRange(1),
    help="End the handler only if its record still has this claim number. Needs exactly one ID.",
)
@click.option(
    "--wait",
    "wait_seconds",
    type=BoundedNumber(0, 3600),
    default=15,
    show_default=True,
    help="How many seconds to wait for the answers of the processes.",
)
@reason_option
@actor_option
@json_option
def end(
    record_ids: tuple[int, ...],
    claim_number: int | None,
    wait_seconds: float,
    reason: str | None,
    actor: str,
    as_json: bool,
) -> None:
    """End handlers that hang, and the processes in which they run. An attempt is charged to the record of each
    ended handler. All other records of these processes are given back."""
    if claim_number is not None and len(record_ids) > 1:
        raise click.UsageError("--claim is for one record: name one ID.")
    from queue_store.operators import ends

    with migrated_database("end") as database:
        result = ends.ask_to_end(database, record_ids, actor=actor, reason=reason, claim_number=claim_number)
        answers = {record_id: ends.EndAnswer(False, text) for record_id, text in result.refused.items()}
        answers |= _wait(database, result.asked, wait_seconds)
    if as_json:
        write_json({"records": [{"record_id": i, **asdict(answers[i])} for i in sorted(answers)]})
    else:
        for record_id in sorted(answers):
            say(f"Record {record_id}: {answers[record_id].text}.")
    if not all(answer.is_ended for answer in answers.values()):
        raise SystemExit(1)


def _wait(
    database: "DatabaseManager", asked: "list[AskedToEnd]", wait_seconds: float
) -> "dict[int, EndAnswer]":
    from queue_store.operators.ends import EndAnswer, read_answer

    answers: dict[int, EndAnswer] = {}
    deadline = time.monotonic() + wait_seconds
    while True:
        with database.transaction() as cursor:
            for one in asked:
                answer = read_answer(cursor, one)
                if answer is not None:
                    answers[one.record_id] = answer
        waiting = [one for one in asked if one.record_id not in answers]
        if not waiting or time.monotonic() >= deadline:
            break
        time.sleep(LOOK_SECONDS)
    for one in waiting:
        text = (
            f"process {one.pid} on {one.hostname} was asked and has not answered; if it stays silent, rescue gives the "
            "record back when the lease of the process ends"
        )
        answers[one.record_id] = EndAnswer(False, text)
    return answers
