"""Memory that the processes of one worker share. Through this memory, the processes exchange facts without a
database.

Each pool child has the slot of its pool index. The slot contains the id of the child, the record that the child has
in flight, and the time when its heartbeat last ran. A new child first reads its predecessor's slot. The slot shows
whether the predecessor crashed, and which record it had in flight. The main process reads the slots to find children
that no longer react.
"""

import mmap
import os
import struct
import tempfile
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from billiard.process import current_process
from billiard.reduction import DupFd

SLOT_COUNT = 1024
_FLAGS = 2
_SLOT = struct.Struct("=16sqd")
_SIZE = _FLAGS + SLOT_COUNT * _SLOT.size
_IN_HAND = struct.Struct("=q")
_HEARD_AT = struct.Struct("=d")

NOTHING_IN_FLIGHT = 0
SEVERAL_IN_FLIGHT = -1


def is_pool_child() -> bool:
    """False in the solo pool, because the only process of this pool is the main process of the worker."""
    return current_process()._parent_pid is not None


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A child that died before it called `leave`, which clears its slot. `record_id`: the record that the child had in
    flight, or NOTHING_IN_FLIGHT. `record_id` is None if the child had several records in flight."""

    worker_process_id: UUID
    record_id: int | None


@dataclass(frozen=True, slots=True)
class BusyChild:
    """A child that is working. `record_id`: the record that the child has in flight, or SEVERAL_IN_FLIGHT.
    `heard_at`: when the child's heartbeat last ran, by time.monotonic(), which is the same in all processes."""

    index: int
    worker_process_id: UUID
    record_id: int
    heard_at: float


class SharedSlots:
    """Create this object in the worker's main process. A forked child shares this memory. A spawned child gets a file
    that holds the memory."""

    def __init__(self) -> None:
        self.worker_id = uuid4()
        self._memory = mmap.mmap(-1, _SIZE)
        self._file: Any = None
        self._offset = _FLAGS
        self._child_is_stopping = False

    def hand_over(self) -> tuple[UUID, Any]:
        """Returns the arguments of `take_over`. Call this in the main process while the main process spawns a
        child."""
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  (each spawned child needs the open file)
            self._file.write(self._memory[:])
            self._file.flush()
            self._memory = mmap.mmap(self._file.fileno(), _SIZE)
        return self.worker_id, DupFd(self._file.fileno())

    def take_over(self, worker_id: UUID, file: Any) -> None:
        """Call this in a spawned child before anything else."""
        self.worker_id = worker_id
        descriptor = file.detach()
        self._memory = mmap.mmap(descriptor, _SIZE)
        os.close(descriptor)

    @property
    def is_ready(self) -> bool:
        """Whether children may process records. If a child dies before the worker is ready, Celery ends the whole
        worker. So no record is processed until the worker is ready, or has begun to work without its broker: see
        tasks/background/orderly_children.py."""
        return self._memory[1] != 0

    def make_ready(self) -> None:
        self._memory[1] = 1

    @property
    def is_stopping(self) -> bool:
        """Whether this process must stop, alone or together with its worker."""
        return self.worker_is_stopping or self._child_is_stopping

    @property
    def worker_is_stopping(self) -> bool:
        return self._memory[0] != 0

    def stop(self) -> None:
        """Ask all children of the worker to stop."""
        self._memory[0] = 1

    def stop_this_child(self) -> None:
        self._child_is_stopping = True

    @property
    def is_first(self) -> bool:
        """Whether this child has the first slot of its worker."""
        return self._offset == _FLAGS

    def enter(self, worker_process_id: UUID) -> Predecessor | None:
        """Take this child's slot. Returns the predecessor if it crashed."""
        self._offset = _offset(getattr(current_process(), "index", 0) or 0)
        previous, record_id, _ = _SLOT.unpack_from(self._memory, self._offset)
        _SLOT.pack_into(
            self._memory, self._offset, worker_process_id.bytes, NOTHING_IN_FLIGHT, time.monotonic()
        )
        if previous == bytes(16):
            return None
        return Predecessor(UUID(bytes=previous), None if record_id == SEVERAL_IN_FLIGHT else record_id)

    def put_in_flight(self, record_id: int) -> None:
        _IN_HAND.pack_into(self._memory, self._offset + 16, record_id)

    def hear(self) -> None:
        """Store the present time as the time of this child's last heartbeat."""
        _HEARD_AT.pack_into(self._memory, self._offset + 24, time.monotonic())

    def busy_child(self, index: int) -> BusyChild | None:
        """Returns the child with this pool index, or None if this child has nothing in flight. Call this in the main
        process."""
        identity, record_id, heard_at = _SLOT.unpack_from(self._memory, _offset(index))
        if identity == bytes(16) or record_id == NOTHING_IN_FLIGHT:
            return None
        return BusyChild(index, UUID(bytes=identity), record_id, heard_at)

    def blame(self, index: int, record_id: int) -> None:
        """Call this in the main process before it kills the child with this pool index. The child's successor gives the
        record `record_id` a crash strike."""
        _IN_HAND.pack_into(self._memory, _offset(index) + 16, record_id)

    def leave(self) -> None:
        _SLOT.pack_into(self._memory, self._offset, bytes(16), NOTHING_IN_FLIGHT, 0.0)


def _offset(index: int) -> int:
    return _FLAGS + (index % SLOT_COUNT) * _SLOT.size


shared_slots = SharedSlots()
