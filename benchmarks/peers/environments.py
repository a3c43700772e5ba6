"""The environments of the peers, which are other queues. The environments are made once, from PyPI and npm, in the
directory BENCH_PEERS (default: .data/bench-peers)."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON_PACKAGES = {
    "pgqueuer": ["pgqueuer==1.6.0", "asyncpg==0.31.0", "uvloop==0.22.1"],
    "procrastinate": ["procrastinate==3.10.0", "psycopg[binary]==3.3.9"],
}
# These peers get a Node.js of their own, because their newest versions need a newer Node.js than most machines have.
NODE_PACKAGES = ["node@22.23.3", "graphile-worker@0.18.0", "pg-boss@12.38.0"]


def directory() -> Path:
    return Path(os.environ.get("BENCH_PEERS", ROOT / ".data" / "bench-peers"))


def python_of(peer: str) -> Path:
    """The Python interpreter of a peer's environment. Makes the environment if it is missing or its versions differ
    from PYTHON_PACKAGES."""
    home = directory() / peer
    if _is_stale(home, PYTHON_PACKAGES[peer]):
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run(
            [home / "bin" / "python", "-m", "pip", "install", "-q", *PYTHON_PACKAGES[peer]], check=True
        )
        _remember(home, PYTHON_PACKAGES[peer])
    return home / "bin" / "python"


def node_modules() -> Path:
    """The directory of Node.js and its packages. Installs the packages if they are missing or their versions differ
    from NODE_PACKAGES."""
    home = directory() / "node"
    if _is_stale(home, NODE_PACKAGES):
        home.mkdir(parents=True, exist_ok=True)
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", home]
        subprocess.run([*install, *NODE_PACKAGES], check=True)
        _remember(home, NODE_PACKAGES)
    return home


def node() -> Path:
    return node_modules() / "node_modules" / ".bin" / "node"


def _is_stale(home: Path, packages: list[str]) -> bool:
    stamp = home / "packages.txt"
    return not stamp.exists() or stamp.read_text().split() != packages


def _remember(home: Path, packages: list[str]) -> None:
    (home / "packages.txt").write_text("\n".join(packages))
