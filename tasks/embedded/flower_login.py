"""The login of the Flower that `queuectl up` starts. If no login is configured, one is generated for each data
directory and kept there."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

USER = "operator"
FILE_NAME = "flower-login"
CONFIGURED = ("FLOWER_BASIC_AUTH", "FLOWER_AUTH")


def flower_login(directory: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables to add to Flower's environment. The result is empty if a login is configured."""
    if any(environ.get(name) for name in CONFIGURED):
        return {}
    file = directory / FILE_NAME
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(f"{USER}:{secrets.token_urlsafe(12)}")
    return {"FLOWER_BASIC_AUTH": file.read_text().strip()}


def shown_login(directory: Path, is_terminal: bool) -> str:
    """Explains to the person who started `queuectl up` how to log in. The password is shown only on a terminal, so
    that no log contains it."""
    file = directory / FILE_NAME
    if not file.exists():
        return "with the login that you configured"
    password = file.read_text().strip().partition(":")[2]
    where = password if is_terminal else f"after the colon in {file}"
    return f"as {USER}, password {where}"
