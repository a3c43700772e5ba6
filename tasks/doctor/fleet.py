"""Checks the beats and the workers."""

from collections import defaultdict

from queue_store.plural import plural, word
from queue_store.queue_schema import celery_queue_name

from ..monitoring.rules import judge
from .diagnosis import Diagnosis, of_findings, ok, warning
from .facts import QueueFacts

CONTROL_COMMAND = "celery -A processing_queue worker -Q control --concurrency=1"


def beat(facts: QueueFacts) -> Diagnosis:
    if found := of_findings(judge(facts.snapshot, ["beat_silent"])):
        return found
    if not facts.beats:
        return warning(
            "No beat runs yet.", "start `celery -A processing_queue beat`, or look again in a minute"
        )
    leader = next((beat for beat in facts.beats if beat.is_leader), None)
    if leader is None:
        return warning(
            "No beat leads, although one runs.", "look again in a minute; then restart celery beat"
        )
    count = len(facts.beats)
    return ok(f"{plural(count, 'beat')} {word(count, 'runs', 'run')}; the one on {leader.hostname} leads.")


def control_queue(facts: QueueFacts) -> Diagnosis:
    queue = celery_queue_name("control")
    broker = facts.snapshot.broker
    length = broker.control_messages if broker else None
    waiting = "" if length is None else f" {plural(length, 'message')} {word(length, 'waits', 'wait')} there."
    servers = [p for p in facts.snapshot.fleet.alive if queue in p.celery_queues]
    if not servers:
        return warning(
            f"No living worker serves the Celery queue {queue}: maintenance is not done.{waiting}",
            f"start one: {CONTROL_COMMAND}",
        )
    found = of_findings(judge(facts.snapshot, ["control_queue"]))
    return found or ok(f"served by {', '.join(sorted({p.hostname for p in servers}))}.{waiting}")


def workers(facts: QueueFacts) -> Diagnosis:
    fleet = facts.snapshot.fleet
    if not fleet.served_flows:
        return warning(
            "No living worker process serves any flow, so records wait.",
            "name the modules of your flows in FLOW_MODULES and start celery -A processing_queue worker -Q flows",
        )
    hosts, alive = {process.hostname for process in fleet.alive}, len(fleet.alive)
    return ok(
        f"{plural(alive, 'process', 'processes')} on {plural(len(hosts), 'host')} "
        f"{word(alive, 'serves', 'serve')} {plural(len(fleet.served_flows), 'flow')}."
    )


def versions(facts: QueueFacts) -> Diagnosis:
    hosts: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for process in facts.snapshot.fleet.alive:
        for name, version in process.versions.items():
            hosts[name][version].add(process.hostname)
    mixed = [_mixed(name, by_version) for name, by_version in sorted(hosts.items()) if len(by_version) > 1]
    if mixed:
        return warning(
            f"Worker processes differ: {'; '.join(mixed)}.", "finish the deploy: restart the older workers"
        )
    ours = ", ".join(hosts["processing-queue"]) or "none is known, because no worker process is alive"
    return ok(f"all worker processes are alike: {ours}." if hosts else f"{ours}.")


def _mixed(name: str, by_version: dict[str, set[str]]) -> str:
    return f"{name} " + ", ".join(
        f"{v} on {', '.join(sorted(hosts)[:3])}" for v, hosts in sorted(by_version.items())
    )
