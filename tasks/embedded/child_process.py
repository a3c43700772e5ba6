"""Run a command that ends when the process that started it ends, however that one dies.

Started as a script by `start_child`: it drops root's rights, asks the kernel for a signal on the parent's
death and becomes the command. In this order: a change of user clears the request.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class ServerUser:
    """The system user that a server runs as."""

    name: str
    uid: int
    gid: int


def start_child(
    command: Sequence[str | Path],
    *,
    log: Path,
    death_signal: signal.Signals = signal.SIGTERM,
    user: ServerUser | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    stdin: bytes | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own: Ctrl-C reaches only the process that stops it in order."""
    uid, gid = (user.uid, user.gid) if user else (-1, -1)
    wrapper = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
    arguments = [str(int(death_signal)), str(uid), str(gid), str(os.getpid())]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*wrapper, *arguments, *(str(part) for part in command)],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=directory,
            env=environment,
        )
    if stdin is not None and process.stdin is not None:
        process.stdin.write(stdin)
        process.stdin.close()
    return process


def stop_tied(
    process: subprocess.Popen[bytes], *, first: signal.Signals | None, bound_seconds: float
) -> bool:
    """Ask the process to end; kill it and its children after the bound. True when it ended by itself."""
    if first is not None and process.poll() is None:
        process.send_signal(first)
    try:
        process.wait(bound_seconds)
        return True
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False


def _become(death_signal: int, uid: int, gid: int, parent_pid: int, command: list[str]) -> None:
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent_pid:
            sys.exit("the process that started this one has ended")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    _become(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
