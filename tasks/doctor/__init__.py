"""`queuectl doctor` examines how the queue is set up. `queuectl check` judges what happens in the queue."""

from .examine import Examination, examine

__all__ = ["Examination", "examine"]
