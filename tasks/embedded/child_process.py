"""Runs a command as a child that ends together with its parent process, even if the parent is killed.

`start_child` starts this file as a script. The script drops root's rights, makes sure that it ends with its parent, and
becomes the command. On Linux, the script asks the kernel to send it a signal when the parent dies. The kernel
forgets this request when a process changes its user, so the script changes the user first. On other systems, the
command has a child that watches one end of a pipe. The parent holds the other end open, so that the pipe is closed when
the parent ends.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

HAS_DEATH_SIGNAL = sys.platform == "linux"
PR_SET_PDEATHSIG = 1
NO_PIPE = -1
WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class ServerUser:
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
    """Start a command in a session of its own. So Ctrl-C reaches only this process, and not the command. After Ctrl-C,
    this process stops the command properly."""
    uid, gid = (user.uid, user.gid) if user else (-1, -1)
    wrapper = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
    watched, held_open = (NO_PIPE, NO_PIPE) if HAS_DEATH_SIGNAL else os.pipe()
    arguments = [str(int(death_signal)), str(uid), str(gid), str(os.getpid()), str(watched)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*wrapper, *arguments, *(str(part) for part in command)],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=directory,
            env=environment,
            pass_fds=() if HAS_DEATH_SIGNAL else (watched,),
        )
    if not HAS_DEATH_SIGNAL:
        os.close(watched)
        weakref.finalize(process, os.close, held_open)
    if stdin is not None and process.stdin is not None:
        process.stdin.write(stdin)
        process.stdin.close()
    return process


def stop_tied(
    process: subprocess.Popen[bytes], *, first: signal.Signals | None, bound_seconds: float
) -> bool:
    """Send the signal `first`, unless it is None, and wait until the process ends. After `bound_seconds`, kill the
    process and its children. Returns True if the process ended in time."""
    if first is not None and process.poll() is None:
        process.send_signal(first)
    try:
        process.wait(bound_seconds)
        return True
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False


def _become(death_signal: int, uid: int, gid: int, parent_pid: int, pipe: int, command: list[str]) -> None:
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if pipe == NO_PIPE:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent_pid:
            sys.exit("the process that started this one has ended")
    else:
        own_pid = os.getpid()
        if os.fork() == 0:
            _watch(pipe, own_pid, death_signal)
        os.close(pipe)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


def _watch(pipe: int, watched_pid: int, death_signal: int) -> NoReturn:
    """Send `death_signal` to the command as soon as nobody holds the other end of the pipe. This watcher ends when the
    command ends."""
    os.close(sys.stdin.fileno())
    while os.getppid() == watched_pid:
        if select.select([pipe], [], [], WATCH_SECONDS)[0]:
            os.kill(watched_pid, death_signal)
            break
    os._exit(0)


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:6]]
    _become(*numbers, command=sys.argv[6:])
