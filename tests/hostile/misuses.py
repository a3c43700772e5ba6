"""The misuses of hostile handlers, by name. `flows.py` calls each misuse in every mode to which the misuse applies."""

import asyncio
import contextvars
import ctypes
import decimal
import gc
import json
import locale
import logging
import multiprocessing
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.numeric import IntLoader
from psycopg.types.string import TextLoader

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("TENANT", default="nobody")


class OddError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class OwnBaseError(BaseException):
    pass


def raises(error: Callable[[], BaseException]) -> Callable[[], None]:
    def misuse() -> None:
        raise error()

    return misuse


def fork(child: Callable[[], Any]) -> Callable[[], None]:
    def misuse() -> None:
        pid = os.fork()
        if pid == 0:
            child()
            return
        os.waitpid(pid, 0)

    return misuse


def raise_in_child() -> None:
    raise ValueError("in the child")


def exec_nothing() -> None:
    os.execvp("/no/such/program", ["no"])  # noqa: S606


def fork_and_kill_the_parent() -> None:
    subprocess.run(["true"], preexec_fn=os.setpgrp, check=True)
    os.kill(os.getpid(), signal.SIGKILL)


def multiprocess() -> None:
    process = multiprocessing.get_context("fork").Process(target=time.time)
    process.start()
    process.join()


def crash() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def abort() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.abort()


def recurse() -> None:
    recurse()


def change_into_a_removed_directory() -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)


def cycle_of_causes() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def leave_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(2,)).start()


def leave_a_thread_that_raises() -> None:
    threading.Thread(target=recurse, daemon=True).start()


def close_standard_streams() -> None:
    sys.stdout.close()


def change_the_decimal_context() -> None:
    decimal.getcontext().prec = 2


def run_a_loop() -> None:
    with suppress(RuntimeError):  # raised in an async handler, whose loop is already running
        asyncio.run(asyncio.sleep(0))


def leave_a_loop() -> None:
    asyncio.set_event_loop(asyncio.new_event_loop())


def never_stop() -> None:
    ends_at = time.monotonic() + 60
    while time.monotonic() < ends_at:
        with suppress(BaseException):
            time.sleep(1)


def sleep_too_long() -> None:
    time.sleep(60)


def close_all_files() -> None:
    os.closerange(3, 256)


def cycle() -> list[Any]:
    values: list[Any] = []
    values.append(values)
    return values


def replace_adapters(driver: Any) -> None:
    for name, loader in (("int8", TextLoader), ("text", IntLoader), ("uuid", IntLoader)):
        driver.adapters.register_loader(name, loader)


PROCESS: dict[str, Callable[[], Any]] = {
    "fork, the child returns": fork(lambda: None),
    "fork, the child raises": fork(raise_in_child),
    "fork, the child exits": fork(sys.exit),
    "fork, exec fails": fork(exec_nothing),
    "subprocess with preexec_fn": lambda: (
        subprocess.run(["true"], preexec_fn=os.setpgrp, check=True) and None
    ),
    "multiprocessing by fork": multiprocess,
    "raise SystemExit": raises(lambda: SystemExit(1)),
    "raise KeyboardInterrupt": raises(KeyboardInterrupt),
    "raise GeneratorExit": raises(GeneratorExit),
    "raise StopIteration": raises(StopIteration),
    "raise MemoryError": raises(MemoryError),
    "raise a BaseException": raises(OwnBaseError),
    "raise an error without a text": raises(OddError),
    "raise a huge error": raises(lambda: ValueError("x" * 5_000_000)),
    "raise a NUL": raises(lambda: ValueError("a\0b")),
    "raise a surrogate": raises(lambda: ValueError("a\ud800b")),
    "raise a group": raises(lambda: BaseExceptionGroup("all", [OwnBaseError(), ValueError("x")])),
    "raise a cycle of causes": cycle_of_causes,
    "recurse": recurse,
    "SIGALRM by default": lambda: signal.signal(signal.SIGALRM, signal.SIG_DFL) and None,
    "SIGALRM ignored": lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN) and None,
    "SIGTERM ignored": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN) and None,
    "SIGCHLD ignored": lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN) and None,
    "all signals blocked": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()) and None,
    "an alarm left behind": lambda: signal.alarm(1) and None,
    "a removed directory": change_into_a_removed_directory,
    "another directory": lambda: os.chdir("/"),
    "another umask": lambda: os.umask(0o777) and None,
    "a low recursion limit": lambda: sys.setrecursionlimit(150),
    "another locale": lambda: locale.setlocale(locale.LC_ALL, "C") and None,
    "a short socket timeout": lambda: socket.setdefaulttimeout(0.001),
    "no logging": lambda: logging.disable(logging.CRITICAL),
    "a context variable": lambda: TENANT.set("somebody") and None,
    "another decimal context": change_the_decimal_context,
    "a thread left behind": leave_a_thread,
    "a thread that raises": leave_a_thread_that_raises,
    "an event loop run": run_a_loop,
    "an event loop left behind": leave_a_loop,
    "no garbage collection": gc.disable,
    "a closed standard output": close_standard_streams,
    "no DATABASE_URL": lambda: os.environ.pop("DATABASE_URL", None) and None,
    "200 MB": lambda: len(bytearray(200_000_000)) and None,
    "a slow switch interval": lambda: sys.setswitchinterval(0.5),
}
DEADLY: dict[str, Callable[[], Any]] = {
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGKILL after a fork": fork_and_kill_the_parent,
    "os._exit": lambda: os._exit(0),
    "a segmentation fault": crash,
    "abort": abort,
    "all files closed": close_all_files,
}
ENDLESS: dict[str, Callable[[], Any]] = {
    "a limit swallowed": never_stop,
    "a sleep beyond the limit": sleep_too_long,
}
RETURNS: dict[str, Callable[[], Any]] = {
    "returns an object": object,
    "returns NaN": lambda: float("nan"),
    "returns a big integer": lambda: 2**70,
    "returns a cycle": cycle,
    "returns 100 kB": lambda: "x" * 100_000,
    "returns a coroutine": lambda: asyncio.sleep(0),
    "returns a generator": lambda: iter(json.JSONDecoder().decode("[1]")),
    "returns bytes": lambda: b"x",
    "returns a surrogate": lambda: "\ud800",
    "returns a set": lambda: {1},
    "returns deep lists": lambda: _nested(5_000),
}
SQL: dict[str, list[str]] = {
    "COMMIT": ["COMMIT"],
    "ROLLBACK": ["ROLLBACK"],
    "COMMIT AND CHAIN": ["COMMIT AND CHAIN"],
    "ROLLBACK AND CHAIN": ["ROLLBACK AND CHAIN"],
    "ROLLBACK and another transaction": ["ROLLBACK", "BEGIN", "SELECT 1"],
    "RELEASE SAVEPOINT": ["RELEASE SAVEPOINT processing_queue_record"],
    "ROLLBACK TO SAVEPOINT": ["ROLLBACK TO SAVEPOINT record"],
    "PREPARE TRANSACTION": ["PREPARE TRANSACTION 'left'"],
    "a short statement timeout": ["SET LOCAL statement_timeout = '1ms'"],
    "a short statement timeout for the session": ["SET statement_timeout = '1ms'"],
    "a short lock timeout": ["SET lock_timeout = '1ms'"],
    "another search path": ["SET LOCAL search_path = pg_temp"],
    "another search path for the session": ["SET search_path = elsewhere"],
    "another role": ["SET LOCAL ROLE pg_monitor"],
    "another role for the session": ["SET ROLE pg_monitor"],
    "another authorization": ["SET SESSION AUTHORIZATION pg_monitor"],
    "read only by default": ["SET default_transaction_read_only = on"],
    "read only": ["SET TRANSACTION READ ONLY"],
    "no triggers": ["SET session_replication_role = replica"],
    "a tenant": ["SET LOCAL app.tenant = 'somebody'"],
    "a tenant for the session": ["SET app.tenant = 'somebody'"],
    "LISTEN": ["LISTEN something"],
    "an advisory lock": ["SELECT pg_advisory_lock(4711)"],
    "a temporary table in our way": [
        "CREATE TEMPORARY TABLE processing_queue (id bigint)",
        "CREATE TEMPORARY TABLE open_slices (opened_at timestamptz)",
    ],
    "a cursor left open": ["DECLARE left_open CURSOR WITH HOLD FOR SELECT 1"],
    "another encoding": ["SET client_encoding = 'LATIN1'"],
    "another date style": ["SET DateStyle = 'German'", "SET IntervalStyle = 'sql_standard'"],
    "another time zone": ["SET TimeZone = 'Asia/Kathmandu'"],
    "no index scans": ["SET enable_indexscan = off", "SET plan_cache_mode = force_custom_plan"],
    "an error": ["SELECT 1 / 0"],
    "DISCARD ALL": ["DISCARD ALL"],
    "DEALLOCATE ALL": ["DEALLOCATE ALL"],
    "SET CONSTRAINTS": ["SET CONSTRAINTS ALL IMMEDIATE"],
    "its own session ended": ["SELECT pg_terminate_backend(pg_backend_pid())"],
    "an idle transaction": ["SET LOCAL idle_in_transaction_session_timeout = '50ms'", "SLEEP"],
    "a savepoint left open": ["SAVEPOINT left_open"],
    "a savepoint named as ours": ["SAVEPOINT processing_queue_record"],
}
DRIVER: dict[str, Callable[[Any], Any]] = {
    "dict_row": lambda driver: setattr(driver, "row_factory", dict_row),
    "ClientCursor": lambda driver: setattr(
        driver,
        "cursor_factory",
        psycopg.AsyncClientCursor if isinstance(driver, psycopg.AsyncConnection) else psycopg.ClientCursor,
    ),
    "no prepared statements": lambda driver: setattr(driver, "prepare_threshold", None),
    "adapters of its own": replace_adapters,
    "a notice handler that raises": lambda driver: driver.add_notice_handler(lambda notice: 1 / 0),
    "autocommit": lambda driver: setattr(driver, "autocommit", True),
    "commit()": lambda driver: driver.commit(),
    "rollback()": lambda driver: driver.rollback(),
    "close()": lambda driver: driver.close(),
    "the socket closed": lambda driver: driver.pgconn.finish(),
    "cancel()": lambda driver: driver.cancel(),
}


async def cancel_all() -> None:
    for task in asyncio.all_tasks():
        task.cancel()
    await asyncio.sleep(0)


async def cancel_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def stop_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)


async def leave_a_task() -> None:
    async def later() -> None:
        await asyncio.sleep(0.1)
        raise SystemExit(1)

    LEFT.append(asyncio.create_task(later()))


async def close_the_loop() -> None:
    asyncio.get_running_loop().close()


async def fail_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(close_the_loop())


async def block_the_loop() -> None:
    time.sleep(1)  # noqa: ASYNC251


async def wait_too_long() -> None:
    await asyncio.sleep(60)


LEFT: list[Any] = []
LOOP: dict[str, Callable[[], Awaitable[None]]] = {
    "cancels all tasks": cancel_all,
    "cancels itself": cancel_itself,
    "stops the loop": stop_the_loop,
    "leaves a task that exits": leave_a_task,
    "closes the loop": close_the_loop,
    "fails in a group": fail_in_a_group,
    "blocks the loop": block_the_loop,
    "waits beyond the limit": wait_too_long,
}


def _nested(depth: int) -> list[Any]:
    values: list[Any] = []
    for _ in range(depth):
        values = [values]
    return values


def names() -> Iterator[str]:
    for kind in (PROCESS, DEADLY, ENDLESS, RETURNS, SQL, DRIVER, LOOP):
        yield from kind
