"""`queuectl doctor` examines how the queue is set up. `queuectl check` judges what happens in it."""

from .examine import Examination, examine

__all__ = ["Examination", "examine"]
