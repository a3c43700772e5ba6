"""Checks at import that a flow is declared correctly, so that no option can fail in the middle of a batch."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from celery.schedules import crontab, schedule as interval

from queue_store.errors import PayloadRejectedError
from queue_store.flow_names import RULE, is_flow_name
from queue_store.records.payload import encode_json
from queue_store.suggestions import closest, did_you_mean

from ..exceptions import FlowDeclarationError
from .called_functions import check_functions, check_policy, is_async
from .flow import Flow, FlowOptions, Handler
from .payloads.declared_payload import check_versions, payload_type
from .retries import PERMANENT, Backoff, is_number_between
from .signature import read_signature
from .transaction_types import ASYNC_TRANSACTIONS, SYNC_TRANSACTIONS, is_async_transaction

SCHEDULE_PAYLOAD_LIMIT_BYTES = 65_536
LONGEST_INTERVAL = timedelta(days=366)

_NUMBERS = {
    "batch_size": (int, 1, 10_000),
    "max_runs": (int, 1, 100_000),
    "concurrency": (int, 1, 1_000),
    "version": (int, 1, 100_000),
    "max_retries": (int, 0, 1_000),
    "time_limit_seconds": (float, 0.01, 86_400),
    "idle_in_transaction_seconds": (float, 1, 86_400),
}
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def is_setting_names(value: object) -> bool:
    """Whether the value is a list or tuple of possible names of Postgres settings."""
    return isinstance(value, tuple | list) and all(
        isinstance(name, str) and len(name) < 64 and _SETTING_NAME.fullmatch(name) for name in value
    )


_KINDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "batch": ("True or False", lambda value: isinstance(value, bool)),
    "express": ("True, False or None", lambda value: isinstance(value, bool)),
    "failure_blocks_key": ("True or False", lambda value: isinstance(value, bool)),
    "before": ("a function", callable),
    "after": ("a function", callable),
    "failed": ("a function", callable),
    "session_settings": ("a tuple of names, such as ('app.tenant', 'role')", is_setting_names),
    "backoff": ("a Backoff or a function", lambda value: isinstance(value, Backoff) or callable(value)),
    "schedule": (
        "celery's crontab(), or schedule() with a run_every of more than 0 and at most a year",
        lambda value: isinstance(value, crontab) or is_every_so_often(value),
    ),
}
_OPTIONAL = (
    "batch_size",
    "max_runs",
    "express",
    "max_retries",
    "time_limit_seconds",
    "idle_in_transaction_seconds",
    "before",
    "after",
    "failed",
    "schedule",
    "version",
    "upgrade",
)


def declare(handler: Handler, options: dict[str, Any]) -> Flow:
    """Raises FlowDeclarationError."""
    options = dict(options)
    name = options.pop("name", None)
    name = getattr(handler, "__name__", type(handler).__name__) if name is None else name
    try:
        _check_name(name)
        _check_options(options)
        check_functions(options)
        check_versions(options.get("version"), options.get("upgrade"))
        signature = read_signature(handler)
        kind = payload_type(name, signature.payload, options)
        flow = Flow(
            name=name,
            handler=handler,
            is_async=is_async(handler),
            context_parameter=signature.context,
            transaction_parameter=signature.transaction,
            transaction_type=signature.transaction_type,
            payload_type=kind,
            **options,
        )
        _check_together(flow)
    except ValueError as problem:
        raise FlowDeclarationError(f"flow {name}: {problem}") from None
    return flow


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not is_flow_name(name):
        raise ValueError(f"a name is {RULE}")


def _check_options(options: dict[str, Any]) -> None:
    for option, value in options.items():
        _check_known(option)
        if value is None and option in _OPTIONAL:
            continue
        if option in _NUMBERS:
            _check_number(option, value)
        elif option in _KINDS:
            wanted, is_right = _KINDS[option]
            _check(is_right(value), option, wanted, value)
    if "queue" in options:
        _check_queue(options["queue"])
    if "retry_on" in options:
        _check_retry_on(options["retry_on"])
    if "schedule_payload" in options:
        _check_schedule_payload(options["schedule_payload"])


def _check_known(option: str) -> None:
    known = FlowOptions.__annotations__
    if option in known:
        return
    hint = did_you_mean(closest(option, known, 0.5)) or f"; there are {', '.join(known)}"
    raise ValueError(f"there is no option {option}{hint}")


def _check(is_right: bool, option: str, wanted: str, value: object) -> None:
    if not is_right:
        raise ValueError(f"{option} must be {wanted}, not {ascii(value)[:64]}")


def _check_number(option: str, value: object) -> None:
    kind, minimum, maximum = _NUMBERS[option]
    is_right = is_number_between(value, minimum, maximum) and (kind is float or isinstance(value, int))
    _check(
        is_right, option, f"a {'whole ' if kind is int else ''}number between {minimum} and {maximum}", value
    )


def _check_queue(value: object) -> None:
    is_name = isinstance(value, str) and re.fullmatch(r"[\w.-]{1,100}", value, re.ASCII) is not None
    _check(is_name, "queue", "the name of a Celery queue: letters, digits, _ . -", value)
    if value == "control":
        raise ValueError("queue must not be control, which is reserved for fan-out and maintenance")


def _check_retry_on(value: object) -> None:
    _check(isinstance(value, Mapping), "retry_on", "a dictionary of exception classes", value)
    assert isinstance(value, Mapping)
    for kind, policy in value.items():
        is_exception = isinstance(kind, type) and issubclass(kind, BaseException)
        _check(is_exception, "retry_on", "a dictionary whose keys are exception classes", kind)
        is_policy = policy is PERMANENT or isinstance(policy, Backoff) or callable(policy)
        _check(is_policy, f"retry_on[{kind.__name__}]", "a Backoff, a function or PERMANENT", policy)
        check_policy(policy, f"retry_on[{kind.__name__}]")


def is_every_so_often(schedule: object) -> bool:
    run_every = schedule.run_every if isinstance(schedule, interval) else None
    return isinstance(run_every, timedelta) and timedelta() < run_every <= LONGEST_INTERVAL


def _check_schedule_payload(value: object) -> None:
    try:
        encode_json(value, SCHEDULE_PAYLOAD_LIMIT_BYTES, "schedule_payload")
    except PayloadRejectedError as error:
        raise ValueError(str(error)) from None


def _check_together(flow: Flow) -> None:
    _check_transaction(flow)
    hooks = [hook for hook in (flow.before, flow.after, flow.failed) if hook is not None]
    if flow.express and flow.concurrency > 1:
        raise ValueError("express needs a handler without concurrency")
    if flow.concurrency > 1 and flow.batch:
        raise ValueError(
            "a batch handler is called once for a batch: concurrency has no meaning, leave it out"
        )
    if not flow.is_async and any(is_async(hook) for hook in hooks):
        raise ValueError("a hook is async, but the handler is not")
    if flow.batch and hooks:
        raise ValueError("hooks are called for single records: a batch handler does their work itself")
    if flow.batch and flow.context_parameter is not None:
        raise ValueError(
            "a batch handler has no FlowContext of its own: the records it is given are FlowContexts"
        )
    if flow.schedule_payload is not None and flow.schedule is None:
        raise ValueError("schedule_payload is the payload of scheduled records: it needs a schedule")


def _check_transaction(flow: Flow) -> None:
    transaction_type = flow.transaction_type
    if transaction_type is None:
        if flow.session_settings or flow.idle_in_transaction_seconds is not None:
            raise ValueError(
                "session_settings and idle_in_transaction_seconds need a handler with a transaction parameter"
            )
        return
    if flow.concurrency > 1:
        raise ValueError(
            "concurrent handlers cannot share one transaction: leave out concurrency or the transaction parameter"
        )
    if flow.is_async != is_async_transaction(transaction_type):
        names = ASYNC_TRANSACTIONS if flow.is_async else SYNC_TRANSACTIONS
        kind = "an async" if flow.is_async else "a plain"
        raise ValueError(f"{kind} handler takes its transaction as one of {names}")
