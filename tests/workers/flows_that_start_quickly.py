"""The flows under test, in a worker that kills a child whose first message it does not see within 3 s."""

from tasks.app import app
from tests.workers.flows_under_test import quick, sleepy

__all__ = ["quick", "sleepy"]

app.conf.worker_proc_alive_timeout = 3.0
