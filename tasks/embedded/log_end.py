"""The last lines of a log, for an error message about a process that did not start properly."""

from pathlib import Path

LINES = 5
READ_BYTES = 8_192


def end_of_log(log: Path) -> str:
    """Returns the path of the log and its last lines, or says that the log is empty."""
    lines = _last_bytes(log).decode(errors="replace").splitlines()[-LINES:]
    if not lines:
        return f"Its log {log} is empty."
    return "\n".join([f"Its log is {log}, and ends with:", *lines])


def _last_bytes(log: Path) -> bytes:
    try:
        with log.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - READ_BYTES))
            return opened.read()
    except FileNotFoundError:
        return b""
