"""An integer of up to a hundred digits is shown exactly. A longer integer is shown as text."""

import pytest

from queue_store.database.any_json import read_json


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_hundred_digits_are_exact(sign: str) -> None:
    assert read_json(f"{sign}{'7' * 100}") == int(f"{sign}{'7' * 100}")
    assert isinstance(read_json(f"{sign}{'7' * 101}"), str)
