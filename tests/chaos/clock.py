"""The clock of a worker host. Tests can make the clock wrong, even while the worker runs (see clock_shim)."""

import struct
from pathlib import Path

SHIM = Path(__file__).parent / "clock_shim"


class Clock:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(16))

    def step(self, seconds: float) -> None:
        with self.path.open("r+b") as clock:
            clock.write(struct.pack("d", seconds))

    @property
    def seen(self) -> float:
        """Returns the clock error, in seconds, at the last call of `time.time` in any process of the host."""
        return float(struct.unpack("dd", self.path.read_bytes())[1])
