"""A fair part of the due records: how many each process may hold, so that all processes that could work on the flow
now get equal parts."""

from dataclasses import dataclass

from queue_store.database.statements import sql
from queue_store.runs.run import Run

MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class FairPart:
    """`is_plenty`: counting stopped at its limit, so the part is at least this large."""

    records: int
    is_plenty: bool


def fair_part(run: Run, most_each: int) -> FairPart:
    """A fair part of the records that are due from the position of the run. `most_each`: the caller needs no larger
    part. The records are shared among the processes with a run of the flow and the idle processes that serve the
    flow, but among no more processes than the flow may have runs. Raises what HeldConnection.transaction raises."""
    parameters = run.parameters | run.position.bounds()
    parameters |= {"flow_name": run.options.flow_name, "most_each": most_each, "most": MOST_COUNTED}
    with run.held.transaction() as cursor:
        cursor.execute(sql("runs/plan_once"), parameters)
        row = cursor.execute(sql("runs/fair_part"), parameters).fetchone()
    if row is None:
        return FairPart(0, is_plenty=False)
    processes, most, due = row
    return FairPart(-(-due // processes), is_plenty=due >= most)
