"""The plans of the short and the long run: how many faults of each kind, and how many records. A run that misses a
quota fails. A fault that found no target is tried again, until the planned number of faults or the run's time limit is
reached."""

import math
import random
from dataclasses import dataclass, replace

from tests.chaos import faults, host_faults
from tests.chaos.fault import Fault

KILLS = ("kill_child", "kill_worker", "kill_beat", "kill_producer")
# Heavy faults wait until every worker is up. All other faults wait until one worker is up. On a busy machine, a fault
# could otherwise come before any worker has started, and would prove nothing.
HEAVY = (
    *("kill_worker", "freeze_worker", "deploy", "restart_postgres", "crash_postgres", "exhaust_connections"),
    *("restart_redis", "cut_connections", "stall_connections"),
)
GROUPS = {
    "kills": KILLS,
    "restarts of Postgres": ("restart_postgres", "crash_postgres"),
    "losses of the broker": ("restart_redis",),
    "pauses longer than the lease": ("freeze_child", "freeze_worker", "freeze_beat"),
}


@dataclass(frozen=True)
class Plan:
    counts: dict[Fault, int]
    quotas: dict[str, int]
    record_count: int
    seconds: float
    longest_seconds: float
    drain_bound_seconds: float
    backlog_bound: int = 5_000


SHORT = Plan(
    counts={
        faults.terminate_backend: 90,
        faults.kill_child: 16,
        faults.freeze_child: 6,
        host_faults.freeze_worker: 1,
        host_faults.freeze_beat: 1,
        host_faults.step_clock: 4,
        faults.kill_worker: 2,
        faults.deploy: 2,
        faults.kill_beat: 2,
        faults.kill_producer: 5,
        faults.restart_postgres: 2,
        faults.crash_postgres: 2,
        faults.exhaust_connections: 2,
        faults.cut_connections: 16,
        faults.stall_connections: 3,
        faults.delay_connections: 4,
        faults.restart_redis: 2,
        faults.flush_redis: 14,
        faults.freeze_redis: 3,
        faults.drop_redis_clients: 18,
        faults.double_messages: 12,
    },
    quotas={
        "faults": 200,
        "kills": 20,
        "pauses longer than the lease": 5,
        "records": 30_000,
        "hostile records": 60,
    },
    record_count=31_500,
    seconds=55,
    longest_seconds=150,
    drain_bound_seconds=60,
)

LONG = Plan(
    counts={
        faults.terminate_backend: 680,
        faults.kill_child: 230,
        faults.freeze_child: 110,
        host_faults.freeze_worker: 10,
        host_faults.freeze_beat: 10,
        host_faults.step_clock: 40,
        faults.kill_worker: 32,
        faults.deploy: 25,
        faults.kill_beat: 20,
        faults.kill_producer: 40,
        faults.restart_postgres: 33,
        faults.crash_postgres: 12,
        faults.exhaust_connections: 15,
        faults.cut_connections: 220,
        faults.stall_connections: 30,
        faults.delay_connections: 50,
        faults.restart_redis: 33,
        faults.flush_redis: 130,
        faults.freeze_redis: 40,
        faults.drop_redis_clients: 190,
        faults.double_messages: 130,
    },
    quotas={
        "faults": 2_000,
        "kills": 300,
        "restarts of Postgres": 30,
        "losses of the broker": 30,
        "pauses longer than the lease": 100,
        "records": 1_000_000,
        "hostile records": 3_000,
    },
    record_count=1_010_000,
    seconds=1_560,
    longest_seconds=3_300,
    drain_bound_seconds=400,
)


SLICES = "records completed in slices"  # a quota only with express: SHARE_OF_SLICES of the records
SHARE_OF_SLICES = 0.1


def sized(plan: Plan, records: int | None, faults: int | None, *, express: bool) -> Plan:
    """Returns a plan with these numbers of records and faults. The duration grows by the same factor as the records
    or the faults, whichever factor is larger."""
    of_records = 1.0 if records is None else records / plan.quotas["records"]
    of_faults = 1.0 if faults is None else faults / plan.quotas["faults"]
    quotas = {
        name: int(wanted * (of_records if "records" in name else of_faults))
        for name, wanted in plan.quotas.items()
    }
    if express:
        quotas[SLICES] = int(quotas["records"] * SHARE_OF_SLICES)
    longer = max(of_records, of_faults)
    return replace(
        plan,
        counts={fault: math.ceil(count * of_faults) for fault, count in plan.counts.items()},
        quotas=quotas,
        record_count=math.ceil(plan.record_count * of_records),
        seconds=plan.seconds * longer,
        longest_seconds=plan.longest_seconds * longer,
    )


def schedule(plan: Plan, seed: int) -> list[tuple[float, Fault]]:
    """Returns the faults and their times, which are the same for the same seed."""
    rng = random.Random(seed)
    planned = [fault for fault, count in plan.counts.items() for _ in range(count)]
    rng.shuffle(planned)
    return sorted(((rng.uniform(0, plan.seconds), fault) for fault in planned), key=lambda when: when[0])
