"""If Ctrl-C arrives while `queuectl up` is stopping, the stop goes on to its end. The services stop properly, and none
is left or killed."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import pytest

from tasks.cli.up import saying_that_it_stops
from tasks.embedded.errors import EmbeddedServerError
from tasks.embedded.service import Service
from tasks.embedded.stop_signals import StopRequested, StopSignals
from tasks.embedded.supervisor import Supervisor
from tests.support.up_process import until

# At SIGTERM, sends Ctrl-C to the process that waits for its end.
INTERRUPTER = """
import os, signal
def end(number, frame):
    os.kill(os.getppid(), signal.SIGINT)
    print("ended", flush=True)
signal.signal(signal.SIGTERM, end)
print("on", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("error", [None, EmbeddedServerError("a server did not start")])
def test_ctrl_c_while_up_is_stopping(tmp_path: Path, error: Exception | None) -> None:
    log, report, servers, signals = tmp_path / "service.log", Mock(), Mock(), StopSignals()
    command = [sys.executable, "-c", INTERRUPTER]
    service = Service("interrupter", command, log=log, environment=dict(os.environ))
    try:
        with signals.heeded(), suppress(EmbeddedServerError, StopRequested):
            with (
                Supervisor(servers, signals, report.event) as supervisor,
                saying_that_it_stops(report, signals),
            ):
                supervisor.start([service])
                until(lambda: log.read_text() == "on\n")
                if error:
                    raise error
    finally:
        service.wait_until_stopped()
    assert log.read_text() == "on\nended\n"
    servers.stop.assert_called_once()
    report.event.assert_not_called()
