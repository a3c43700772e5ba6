"""The id of a durable task whose caller chose no id: a UUID (version 8) that carries the id of the task's record. It is
unique within one database."""

from uuid import UUID

MARK = 0x5054_4153_4B00  # the first 48 bits of each id that is made here
_LOW_BITS = 62
_LOW = (1 << _LOW_BITS) - 1


def task_id_of(record_id: int) -> str:
    high = record_id >> _LOW_BITS
    return str(UUID(int=MARK << 80 | 8 << 76 | high << 64 | 2 << _LOW_BITS | record_id & _LOW))


def record_id_of(task_id: str) -> int | None:
    """Returns None if the task's id does not carry the id of a record."""
    try:
        number = UUID(task_id).int
    except (ValueError, AttributeError, TypeError):
        return None
    record_id = (number >> 64 & 0xFFF) << _LOW_BITS | number & _LOW
    is_ours = (
        number >> 80 == MARK and 0 < record_id < 2**63 and task_id_of(record_id) == str(UUID(int=number))
    )
    return record_id if is_ours else None
