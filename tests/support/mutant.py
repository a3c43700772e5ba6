"""A pytest plugin that changes one SQL statement before any other module reads it: `pytest -p tests.support.mutant`.

The environment variable MUTANT is a JSON list of three texts: the name of the statement, the part to replace, and the
replacement.
"""

import json
import os

from queue_store.database import statements

VARIABLE = "MUTANT"
_right = statements.sql


def _sql(name: str) -> bytes:
    statement = _right(name)
    if name != _mutant:
        return statement
    assert _before in statement, f"the mutant does not fit {name} any more"
    return statement.replace(_before, _after)


if VARIABLE in os.environ:
    _mutant, *_texts = json.loads(os.environ[VARIABLE])
    _before, _after = (text.encode() for text in _texts)
    statements.sql = _sql  # type: ignore[assignment]
