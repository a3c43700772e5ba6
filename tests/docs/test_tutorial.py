"""The tutorial works from top to bottom, in an empty directory, as a reader types it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import ROOT, CodeBlock, code_blocks
from tests.support.servers import reachable_directory
from tests.support.up_process import FOREIGN, Up, until

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(300)]
PAGE = "docs/tutorial.md"
PATIENCE_SECONDS = 60
ONCE_ONLY = r"queuectl enqueue|python|(?s:.*)queuectl reset"  # the other commands only look


class Reader:
    """A reader with two terminals: `queuectl up` runs in the first terminal, and the other commands run in the second
    terminal."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.up: Up | None = None
        self.last = ""
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in FOREIGN},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",  # so a file that changes within a second is compiled again
        }

    def follow(self, block: CodeBlock) -> None:
        if block.code.startswith("# "):
            self.save(block.code.splitlines()[0].removeprefix("# "), block.code)
        elif block.code.startswith("article,"):
            self.save("orders.csv", block.code)
        elif "queuectl up" in block.code:
            self.start(block.code)
        elif block.language == "shell":
            self.last = block.code
        else:
            self.see(block)

    def save(self, name: str, content: str) -> None:
        if self.up is not None and name == "shop_flows.py":
            self.stop()
        (self.directory / name).write_text(content)

    def start(self, code: str) -> None:
        for name, value in re.findall(r"^export (\w+)=(\S+)$", code, re.MULTILINE):
            self._environment[name] = value
        self.up = Up(self.directory / ".data", cwd=self.directory, environment=self._environment)
        self.up.wait_for("Ctrl-C stops everything")

    def stop(self) -> None:
        if self.up is not None:
            up, self.up = self.up, None
            assert up.end(signal.SIGINT) in (0, 130), up.output

    def see(self, block: CodeBlock) -> None:
        """Checks that the commands of the previous block print this block. Repeats read-only commands until the queue
        has done its work."""
        pattern = "".join(
            "(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + "\n"
            for line in block.code.splitlines()
        )
        if re.match(ONCE_ONLY, self.last):
            said = self.type(self.last)
            assert re.fullmatch(pattern, said), f"{block}: {said}"
        else:
            until(lambda: re.fullmatch(pattern, self.type(self.last)), PATIENCE_SECONDS)

    def type(self, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", f". .data/environment\n{commands}"],
            cwd=self.directory, env=self._environment, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def reader() -> Iterator[Reader]:
    with reachable_directory() as directory:
        reader = Reader(directory)
        try:
            yield reader
        finally:
            reader.stop()


def test_the_page_works_from_top_to_bottom(reader: Reader) -> None:
    install, *blocks = code_blocks(PAGE)
    assert install.code == "make run ONCE=1\n. .venv/bin/activate\n"  # .ci/first_run runs the first line
    for block in blocks:
        reader.follow(block)
    assert "completed" in reader.type("queuectl show 3")
