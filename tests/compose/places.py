import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
COMPOSE_FILE = COMPOSE / "compose.yaml"
KUBERNETES_FILE = COMPOSE / "kubernetes.yaml"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "processing-queue" / "containers"
