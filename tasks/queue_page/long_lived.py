"""Flower's loaded modules stay in memory until its process ends."""

import gc


def keep_what_is_loaded() -> None:
    """Exclude all present objects from garbage collection. A full collection over them would delay the view that is
    being answered. May be called repeatedly."""
    gc.collect()
    gc.freeze()
