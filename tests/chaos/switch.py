"""Tells whether this process belongs to a chaos run with `--express`."""

import os

SWITCH = "CHAOS_EXPRESS"


def is_express() -> bool:
    return os.environ.get(SWITCH) == "true"
