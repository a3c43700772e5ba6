"""The peers' environments: made once below BENCH_PEERS (default: .data/bench-peers), from PyPI and npm."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON_PACKAGES = {
    "pgqueuer": ["pgqueuer==1.6.0", "asyncpg", "uvloop"],
    "procrastinate": ["procrastinate==3.10.0", "psycopg[binary]"],
}
NODE_PACKAGES = ["graphile-worker@0.17.3", "pg-boss@10.4.2"]


def directory() -> Path:
    return Path(os.environ.get("BENCH_PEERS", ROOT / ".data" / "bench-peers"))


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment, which is made when it is missing."""
    python = directory() / peer / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", directory() / peer], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PYTHON_PACKAGES[peer]], check=True)
    return python


def node_modules() -> Path:
    """Where the peers for Node.js are installed."""
    home = directory() / "node"
    if not (home / "node_modules" / "graphile-worker").exists():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", home, *NODE_PACKAGES], check=True)
    return home
