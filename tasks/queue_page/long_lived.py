"""Flower's loaded modules stay in memory until its process ends."""

import gc


def keep_what_is_loaded() -> None:
    """Exclude all present objects from garbage collection: a full collection over them would delay the view that is
    being answered. Idempotent."""
    gc.collect()
    gc.freeze()
