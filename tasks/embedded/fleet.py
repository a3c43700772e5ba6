"""The processes that `queuectl up` runs in addition to the servers. A production system has the same processes."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from queue_store.queue_schema import celery_queue_name

from .flower_login import flower_login
from .service import Service

CELERY = (sys.executable, "-m", "celery", "-A", "processing_queue")
CONTROL_QUEUE = "control"
FLOW_PROCESSES = 2
CONTROL_PROCESSES = 1


def fleet(
    directory: Path,
    environment: Mapping[str, str],
    flow_queues: Sequence[str],
    flower_port: int,
    worker_options: Sequence[str],
) -> list[Service]:
    """A worker for the flows, a worker for the control queue, beat and Flower. The control queue has its own worker,
    so that tasks in this queue need not wait for long batches."""
    logs = directory / "logs"
    logs.mkdir(exist_ok=True)
    commands = {
        "worker": [*_worker("flows", flow_queues, FLOW_PROCESSES), *worker_options],
        "control": [
            *_worker("control", [celery_queue_name(CONTROL_QUEUE)], CONTROL_PROCESSES),
            *worker_options,
        ],
        "beat": [*CELERY, "beat", f"--schedule={directory / 'celerybeat-schedule'}", "--pidfile="],
        "flower": [*CELERY, "flower", "--address=127.0.0.1", f"--port={flower_port}"],
    }
    login = {"flower": flower_login(directory, environment)}
    return [
        Service(name, command, log=logs / f"{name}.log", environment={**environment, **login.get(name, {})})
        for name, command in commands.items()
    ]


def processes_by_queue(flow_queues: Sequence[str]) -> Counter[str]:
    """For each Celery queue, the number of pool children that serve it once the whole fleet has started."""
    processes = Counter(dict.fromkeys(flow_queues, FLOW_PROCESSES))
    processes[celery_queue_name(CONTROL_QUEUE)] += CONTROL_PROCESSES
    return processes


def _worker(name: str, queues: Sequence[str], processes: int) -> list[str]:
    options = ["--loglevel=INFO", "--task-events", "--without-mingle", "--without-gossip"]
    return [*CELERY, "worker", f"--hostname={name}@%h", f"--queues={','.join(queues)}",
            f"--concurrency={processes}", *options]  # fmt: skip
