from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from queue_store.redaction import redact

from .frame import json_option, say, write_json

if TYPE_CHECKING:
    from ..doctor import Examination

EXIT_CODES = {"ok": 0, "warning": 1, "problem": 2}


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Examine how the queue is set up, and say how to correct what is wrong.

    Nothing is changed, and a login with the role processing_queue_monitor suffices. Exit code: 0 all is well,
    1 warning, 2 problem.
    """
    from ..doctor import examine
    from ..monitoring.databases import database_named

    found = examine(database_named)
    if as_json:
        write_json(_document(found))
    else:
        _show(found)
    raise SystemExit(EXIT_CODES[found.level])


def _document(found: "Examination") -> dict[str, object]:
    return {
        "health": found.level,
        "exit_code": EXIT_CODES[found.level],
        "checks": [
            {"check": name} | {key: redact(value) for key, value in asdict(diagnosis).items()}
            for name, diagnosis in found.diagnoses.items()
        ],
        "not_examined": found.not_examined,
    }


def _show(found: "Examination") -> None:
    for name, diagnosis in found.diagnoses.items():
        next_step = f" Next: {diagnosis.next_step}" if diagnosis.next_step else ""
        say(f"{diagnosis.level:<8} {name}: {' '.join(diagnosis.message.split())}{next_step}")
    if found.not_examined:
        say(f"Not examined because of the problem above: {', '.join(found.not_examined)}.")
