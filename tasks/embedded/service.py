import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from .child_process import start_child, stop_tied
from .errors import EmbeddedServerError
from .log_end import end_of_log

RESTART_LIMIT = 5
RESTART_WINDOW_SECONDS = 60.0
RESTART_PAUSE_SECONDS = 5.0


class Service:
    """A process that is started again when it ends on its own. Until `has_been_up` is set, the number of restarts is
    limited, because with wrong settings each restart would fail. Once `has_been_up` is set, the process is
    restarted any number of times, with a pause if the restarts are frequent."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        stop_bound_seconds: float = 20.0,
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._stop_bound_seconds = stop_bound_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts_at: deque[float] = deque(maxlen=RESTART_LIMIT)
        self.has_been_up = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        # When the supervisor dies, the servers end with it. The process cannot end properly without the servers, so it
        # gets SIGKILL.
        self._process = start_child(
            self._command, log=self.log, environment=self._environment, death_signal=signal.SIGKILL
        )

    def restart_if_ended(self) -> str | None:
        """Restart the process if it has ended. Returns a message about the restart, or None. Raises EmbeddedServerError
        if the process ends again and again, and was never up."""
        if self._process is None or self._process.poll() is None:
            return None
        now = time.monotonic()
        if len(self._restarts_at) == RESTART_LIMIT and now - self._restarts_at[0] < RESTART_WINDOW_SECONDS:
            if not self.has_been_up:
                raise EmbeddedServerError(f"{self.name} ends again and again. {end_of_log(self.log)}")
            if now - self._restarts_at[-1] < RESTART_PAUSE_SECONDS:
                return None
        self._restarts_at.append(now)
        code = self._process.returncode
        self.start()
        return f"{self.name} ended with code {code} and was started again; its log is {self.log}"

    def ask_to_stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait_until_stopped(self) -> bool:
        """Call this after `ask_to_stop`. Kills the process if it does not end in time. Returns True if the process
        ended in time."""
        process, self._process = self._process, None
        # No signal is sent here: after the signal of `ask_to_stop`, a second one would make Celery shut down faster.
        return process is None or stop_tied(process, first=None, bound_seconds=self._stop_bound_seconds)
