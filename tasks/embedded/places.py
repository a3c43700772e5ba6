"""Finds directories for the data and programs of the embedded servers. The user that the servers run as can enter
these directories.

Postgres refuses to run as root. If root starts the servers, they run as an unprivileged user. Usually, an unprivileged
user cannot enter root's home. The permissions of a private directory are never widened. Instead, files that would be in
a private directory are put elsewhere.
"""

import hashlib
import os
import pwd
import shlex
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .child_process import ServerUser
from .errors import EmbeddedServerError

USER_NAMES = ("postgres", "nobody")
SYSTEM_DIRECTORY = Path("/var/tmp")  # noqa: S108 - ownership is checked before anything is put there


def server_user() -> ServerUser | None:
    """The user that the servers run as. None means the current user, who is not root."""
    if os.geteuid() != 0:
        return None
    for name in USER_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        "Postgres does not run as root, and this system has no user named postgres or nobody. "
        "Create such a user (useradd --system postgres) or run this command as another user."
    )


def data_directory(wanted: Path) -> Path:
    """Returns the wanted directory. If root starts the servers, they run as another user. If this user could not enter
    the wanted directory, returns a directory under /var/tmp instead. The name of the directory under /var/tmp is
    derived from the path of the wanted directory."""
    wanted = wanted.absolute()
    user = server_user()
    if user is None or can_reach(user, wanted):
        wanted.mkdir(parents=True, exist_ok=True)
        return wanted
    return _own_system_directory() / _key(wanted)


def written_environment(wanted: Path = Path(".data")) -> Path | None:
    """The file to which `queuectl up` has written the addresses of its servers. Creates nothing."""
    elsewhere = SYSTEM_DIRECTORY / f"processing-queue-{os.geteuid()}" / _key(wanted.absolute())
    files = (wanted / "environment", elsewhere / "environment")
    return next((file for file in files if os.access(file, os.R_OK)), None)


def advice_on_addresses(problems: Sequence[str]) -> str:
    """Says how to read the addresses that `queuectl up` has written. Returns "" unless a URL is missing and `queuectl
    up` has written addresses."""
    if not any("_URL" in problem and " is missing" in problem for problem in problems):
        return ""
    file = written_environment()
    if file is None:
        return ""
    return (
        f"`queuectl up` (make run) has written the addresses of its servers: `. {shlex.quote(str(file))}` reads them "
        "into this shell."
    )


def reachable_directory(sources: Sequence[Path], user: ServerUser | None) -> Path:
    """Returns the directory of the sources. If the user cannot reach the sources, returns a directory with copies that
    the user can reach."""
    directory = sources[0].parent
    if user is None or can_reach(user, sources[0]):
        return directory
    copy = _own_system_directory() / f"programs-{_key(sources[0], str(sources[0].stat().st_mtime_ns))}"
    if not copy.exists():
        _copy_in_one_step(sources, copy)
    return copy


def can_reach(user: ServerUser, path: Path) -> bool:
    """Whether the user may enter every existing directory above the path. If the path is a link, the directories above
    its target count, too."""
    directories = {*path.resolve().parents, *path.parent.resolve().parents, path.parent.resolve()}
    return all(_may_pass(user, directory) for directory in directories if directory.exists())


def _may_pass(user: ServerUser, directory: Path) -> bool:
    status = directory.stat()
    if status.st_uid == user.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _own_system_directory() -> Path:
    directory = SYSTEM_DIRECTORY / f"processing-queue-{os.geteuid()}"
    directory.mkdir(mode=0o755, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise EmbeddedServerError(f"{directory} belongs to someone else. Remove it, then start again.")
    return directory


def _copy_in_one_step(sources: Sequence[Path], destination: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=destination.parent))
    try:
        for source in sources:
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, draft / source.name)
        draft.chmod(0o755)
        draft.rename(destination)
    except OSError:
        if not destination.exists():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _key(path: Path, extra: str = "") -> str:
    digest = hashlib.sha256(f"{path.resolve()}\0{extra}".encode()).hexdigest()[:12]
    return f"{path.resolve().parent.name or 'root'}-{digest}".replace(" ", "-")
