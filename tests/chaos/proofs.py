"""Writes each event to disk when it happens, so that the events are known even if the run is aborted."""

import json
import time
from pathlib import Path
from typing import Any


class Proofs:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text("")
        self._started = time.monotonic()

    def note(self, kind: str, what: str, **more: Any) -> None:
        line = {"at": round(time.monotonic() - self._started, 2), "kind": kind, "what": what, **more}
        with self.path.open("a") as proofs:
            proofs.write(json.dumps(line) + "\n")
