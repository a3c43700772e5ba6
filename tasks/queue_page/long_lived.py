"""What Flower has loaded stays until its process ends."""

import gc


def keep_what_is_loaded() -> None:
    """Leave all objects that are there to the process. A full collection of garbage would walk over them now and then,
    which takes as long as half a view of a thousand flows. Idempotent."""
    gc.collect()
    gc.freeze()
