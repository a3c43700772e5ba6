"""Random messages from a seed. An attacker who knows our task names, their arguments and Celery's headers could write
these messages."""

import base64
import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.app import app

Shape = dict[str, Any]
NO_EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
DESTRUCTIVE = {
    "cleanup_orphaned_records": True, "reset_failed_records": True, "purge_old_records": True, "dry_run": False,
    "max_retries": 1000, "orphaned_timeout_hours": 0.001, "actor": "somebody else",
}  # fmt: skip
BUILTINS = ("celery.map", "celery.starmap", "celery.chunks", "celery.group", "celery.chain", "celery.chord",
    "celery.chord_unlock", "celery.accumulate", "celery.backend_cleanup")  # fmt: skip
HUGE = "x" * 300_000


class Shapes:
    """`flows`: names to use. `occurrences`: pairs of a schedule entry and an instant at which it is not due."""

    def __init__(self, seed: int, flows: list[str], occurrences: list[tuple[str, str]]) -> None:
        self._random = random.Random(seed)
        self._flows = flows
        self._occurrences = occurrences
        self._ours = sorted(name for name in app.tasks if not name.startswith("celery."))

    def queue(self) -> str:
        return self._pick(["flows", "control", "flows\x06\x169", "control\x06\x163"])

    def next(self) -> bytes:
        """The bytes of one message, as a list in Redis holds them."""
        if self._chance(0.02):
            return self._pick([b"", b"5", b"[]", b"{}", b"null", b"\xff\xfe", b'{"body": 5}', b"[" * 5_000])
        task = self._task()
        arguments, keywords = self._arguments(task)
        if self._chance(0.1):
            return self._protocol_1(task, arguments, keywords)
        body = json.dumps([arguments, keywords, self._embed()]).encode()
        headers = self._headers(task)
        if self._chance(0.01):
            headers["compression"] = self._pick(["gzip", "application/x-gzip", "bzip2", "rot13", 5])
            body = gzip.compress(b" " * 50_000_000 if self._chance(0.3) else body)
        return self._enveloped(body, headers)

    def _task(self) -> Any:
        if self._chance(0.1):
            return self._pick([*BUILTINS, "no.such.task", "", HUGE, None, 5, ["tasks.fan_out"], "os.system"])
        return self._pick(self._ours)

    def _arguments(self, task: Any) -> tuple[Any, Any]:
        if self._chance(0.15):
            return self._pick([self._value(), [self._value()]]), self._pick([self._value(), {}])
        if not isinstance(task, str):
            return [], {}
        if "enqueue" in task:
            record = {"dedup_key": self._pick(["taken", "new", None]), "priority": self._pick([0, 9, "x"])}
            return [self._flow(), {"secret": "fuzzed"}], record | self._pick(
                [{}, {"on_duplicate": "replace"}]
            )
        if "claim_batch" in task:
            return [self._flow()], self._pick([{}, {"slot": self._pick([0, 1, -1, 2**70, "x"])}])
        if "occurrence" in task:
            entry, due_at = self._pick(self._occurrences)
            return [], {"entry": entry, "due_at": due_at}
        if task.startswith("celery."):
            return [self._signature(), [self._value()] * 3], {}
        return [], self._pick([{}, DESTRUCTIVE, {"name": self._flow()}, {"include_retry": True}])

    def _signature(self) -> Shape:
        task = self._pick(["tasks.monitoring.distributed_system_maintenance", *self._ours])
        arguments, keywords = self._arguments(task)
        if "maintenance" in task:
            arguments, keywords = [], DESTRUCTIVE
        return {
            "task": task, "args": arguments, "kwargs": keywords, "options": {}, "subtask_type": None,
            "immutable": self._chance(0.8), "chord_size": None,
        }  # fmt: skip

    def _embed(self) -> Any:
        if self._chance(0.6):
            return NO_EMBED
        kind = self._pick([*NO_EMBED])
        signature = self._signature()
        return NO_EMBED | {kind: signature if kind == "chord" else [signature] * self._pick([1, 2])}

    def _headers(self, task: Any) -> Shape:
        number = self._pick(["", *"abcdef"]) or str(self._random.random())
        headers: Shape = {
            "lang": "py", "task": task, "id": number, "root_id": number, "parent_id": None, "group": None,
            "retries": 0, "timelimit": [None, None], "eta": None, "expires": None, "argsrepr": "()", "kwargsrepr": "{}",
        }  # fmt: skip
        later = datetime.now(UTC) + timedelta(seconds=self._pick([-60, 1, 30, 86_400, 10**9]))
        odd = {
            "timelimit": [[0.001, 0.001], [0.001, None], [-1, -1], "now", [None]],
            "eta": [later.isoformat(), "tomorrow", 5],
            "expires": [later.isoformat(), 0, 1e308, "never"],
            "retries": [10**9, -1, "x"],
            "shadow": ["another.name", HUGE, 5],
            "group": ["g", 5],
            "root_id": [HUGE, 5],
            "id": [HUGE, None, {}, 5],
            "argsrepr": [HUGE, 5, "line\nline\x1b[31m"],
            "ignore_result": [False, "x"],
            "traceparent": ["00-" + "a" * 32 + "-" + "b" * 16 + "-01", HUGE, 5],
            "stamps": [{"a": "b"}, 5],
            "stamped_headers": [["a"], 5],
            "replaced_task_nesting": [10**9, "x"],
            "lang": ["php", None],
        }
        for name in self._random.sample([*odd], self._pick([0, 0, 1, 2])):
            headers[name] = self._pick(odd[name])
        return headers

    def _protocol_1(self, task: Any, arguments: Any, keywords: Any) -> bytes:
        errbacks = [self._signature()] if self._chance(0.3) else None
        body = {
            "task": task, "id": str(self._random.random()), "args": arguments, "kwargs": keywords, "retries": 0,
            "eta": None, "expires": None, "utc": True, "callbacks": None, "errbacks": errbacks,
            "timelimit": self._pick([[None, None], [0.001, 0.001]]), "taskset": None, "chord": None,
        }  # fmt: skip
        return self._enveloped(json.dumps(body).encode(), {})

    def _enveloped(self, body: bytes, headers: Shape) -> bytes:
        envelope = {
            "body": base64.b64encode(body).decode(), "content-encoding": "utf-8",
            "content-type": "application/json" if self._chance(0.98) else "application/x-python-serialize",
            "headers": headers,
            "properties": {
                "correlation_id": "a", "delivery_mode": 2, "priority": 0, "body_encoding": "base64",
                "delivery_tag": str(self._random.random()), "reply_to": self._pick([None, "somewhere"]),
                "delivery_info": {"exchange": "", "routing_key": self._pick(["flows", "control", "x\ny"])},
            },
        }  # fmt: skip
        return json.dumps(envelope).encode()

    def _flow(self) -> Any:
        return self._pick([*self._flows, "no_such_flow", "'; DROP TABLE flows; --", HUGE, None])

    def _value(self) -> Any:
        return self._pick(
            [None, True, 0, -1, 2**63, 1.5, "", "x\x00", "\ud800", HUGE, [], [[]], {}, {"a": {"b": []}}]
        )

    def _pick(self, choices: Any) -> Any:
        return self._random.choice(choices)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share
