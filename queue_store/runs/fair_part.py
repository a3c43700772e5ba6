"""How many due records one process may hold. All processes that can work on the flow at this moment get equal
parts."""

from dataclasses import dataclass

from queue_store.database.statements import sql
from queue_store.runs.run import Run

MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class FairPart:
    """`is_plenty`: counting stopped at its limit, so the fair part is `records` or more. `is_all`: True if no other
    process can work on the flow at this moment. Then `records` is the number of all due records at or after the run's
    position."""

    records: int
    is_plenty: bool
    is_all: bool = False


def fair_part(run: Run, most_each: int) -> FairPart:
    """Returns how many due records the run's process may hold. Only records at or after the run's position count.
    `most_each`: the largest part that the caller can use. The records are shared among the processes that have a run of
    the flow and the idle processes that serve the flow. At most as many processes count as the flow may have runs.
    Raises the errors of HeldConnection.transaction."""
    parameters = run.parameters | run.position.bounds()
    parameters |= {"flow_name": run.options.flow_name, "most_each": most_each, "most": MOST_COUNTED}
    with run.held.transaction() as cursor:
        cursor.execute(sql("runs/plan_once"), parameters)
        row = cursor.execute(sql("runs/fair_part"), parameters).fetchone()
    if row is None:
        return FairPart(0, is_plenty=False)
    processes, most, due = row
    is_plenty = due >= most
    return FairPart(-(-due // processes), is_plenty, is_all=processes == 1 and not is_plenty)
