"""If a handler forks a process, that process ends at its first SIGTERM, even if the signal arrives during the fork."""

import subprocess
import sys

import pytest

PREPARE = """
import os, signal
import billiard.common
from tasks.background import group_sigterm
group_sigterm.is_pool_child = lambda: True
"""
SIGNAL_DURING_THE_FORK = """
def send():
    assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ()), "nothing keeps the signal"
    os.kill(os.getpid(), signal.SIGTERM)
os.register_at_fork(after_in_child=send)
"""
FORK = """
group_sigterm.survive_group_sigterm()
billiard.common.reset_signals()  # as billiard does in a pool child
child = os.fork()
if not child:
    os._exit(int(signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
assert signal.getsignal(signal.SIGTERM) is billiard.common._shutdown_cleanup
assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
"""


@pytest.mark.parametrize(
    ("code", "ended"),
    [
        pytest.param(PREPARE + SIGNAL_DURING_THE_FORK + FORK, "-15", id="during the fork"),
        pytest.param(PREPARE + FORK, "0", id="later"),
    ],
)
def test_no_sigterm_to_a_fork_is_lost(code: str, ended: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == (ended, "")


def test_a_handler_of_the_application_stays() -> None:
    code = PREPARE + FORK.replace(
        "child =", "mine = signal.signal(signal.SIGTERM, lambda *_: None)\nchild ="
    ).replace("signal.SIG_DFL)", "signal.SIG_DFL) - 1").replace(
        "is billiard.common._shutdown_cleanup", "is not mine"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("0", "")
