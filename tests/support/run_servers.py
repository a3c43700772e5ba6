"""`make servers`: runs a Postgres and a Redis until Ctrl-C, so that test runs need not start servers of their own."""

import signal
import sys
from contextlib import ExitStack
from typing import Any

from tests.support.servers import POSTGRES_VARIABLE, REDIS_VARIABLE, start_postgres, start_redis


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    with ExitStack() as servers:
        try:
            _say("Starting Postgres and Redis …")
            postgres = servers.enter_context(start_postgres())
            redis_url = servers.enter_context(start_redis())
            _say("Both are running. In another shell:\n")
            _say(f"export {POSTGRES_VARIABLE}='{postgres.url}'")
            _say(f"export {REDIS_VARIABLE}='{redis_url}'")
            _say(".venv/bin/python -m pytest -q tests/enqueueing/test_dedup.py\n")
            _say("Ctrl-C stops both and removes their data.")
            signal.pause()
        except KeyboardInterrupt:
            _say("\nStopping …")
    _say("Postgres and Redis have stopped.")


def _stop(*_: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the shutdown
    raise KeyboardInterrupt


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
