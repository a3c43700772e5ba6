"""The rule for the name of a flow. The SQL domain `flow_name` states the same rule for the tables."""

import re

RULE = "1 to 255 letters, digits, _ . and -, beginning with a letter or _"
_FLOW_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}")


def is_flow_name(name: str) -> bool:
    return _FLOW_NAME.fullmatch(name) is not None
