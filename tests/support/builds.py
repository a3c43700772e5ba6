"""Copies of this code with additional migrations. These copies stand for the next releases."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from queue_store.database import versions

ROOT = Path(__file__).parents[2]
QUEUECTL = ("-c", "from tasks.cli import main; main()")
MIGRATION = '''"""{said}

Kind: {kind}.
Locks: processing_queue for a moment.
Safe while workers run: yes.
"""

from queue_store.migrations import build_index, run_file

revision = "{version}"
down_revision = "{before}"


def upgrade() -> None:
'''


class Build:
    def __init__(self, directory: Path, url: str, broker_url: str = "redis://127.0.0.1:1/0") -> None:
        self.directory = directory
        self.environment = {**os.environ, "DATABASE_URL": url, "CELERY_BROKER_URL": broker_url}
        for name in ("queue_store", "tasks"):
            shutil.copytree(ROOT / name, directory / name)
        shutil.copy(ROOT / "celeryconfig.py", directory)

    def add_migration(self, version: str, before: str, kind: str, statements: str, **indexes: str) -> None:
        """`indexes`: the statements that build an index CONCURRENTLY, by the name of the index."""
        file = self.directory / "queue_store/migrations/versions" / version
        text = MIGRATION.format(said=version, kind=kind, version=version, before=before)
        for index, statement in indexes.items():
            text += f'    build_index(__file__, "{index}")\n'
            file.mkdir(exist_ok=True)
            (file / f"{index}.sql").write_text(statement)
        file.with_suffix(".py").write_text(f"{text}    run_file(__file__)\n")
        file.with_suffix(".sql").write_text(statements)

    def serves_code_from(self, version: str) -> None:
        line = 'SERVES_CODE_FROM = "{}"'
        self.change(
            "queue_store/database/versions.py", line.format(versions.SERVES_CODE_FROM), line.format(version)
        )

    def change(self, name: str, text: str, instead: str) -> None:
        """Replaces a text that occurs exactly once in a file."""
        file = self.directory / name
        assert file.read_text().count(text) == 1, text
        file.write_text(file.read_text().replace(text, instead))

    def queuectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(*QUEUECTL, *arguments)

    def queuectl_started(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command of queuectl in the background. The caller must wait until the command ends."""
        return subprocess.Popen(
            [sys.executable, *QUEUECTL, *arguments],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def celery(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("-m", "celery", "-A", "tasks", *arguments)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=100,
        )
