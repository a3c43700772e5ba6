"""The settings page lists each setting, with its default."""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any

import pytest

from queue_store.settings import DatabaseSettings, ProcessorSettings
from tests.support.documents import table_rows

PAGE = "docs/settings.md"
SETTINGS: list[Field[Any]] = [*fields(DatabaseSettings), *fields(ProcessorSettings)]
ROWS = {row[0].strip("`"): row[1] for row in table_rows(PAGE) if row[0].startswith("`")}
SAID_OTHERWISE = {"URL", "REPLICA_URL", "ALERT_THRESHOLDS"}


def shown(default: object) -> str:
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        default = ",".join(default)
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default != "" else "empty"


def defaults() -> Iterator[tuple[str, object]]:
    for setting in SETTINGS:
        name = setting.name.upper()
        if name not in SAID_OTHERWISE:
            assert setting.default is not MISSING
            yield name, setting.default


def test_each_setting_has_one_row() -> None:
    named = [row[0] for row in table_rows(PAGE) if row[0].startswith("`")]
    assert sorted(named) == sorted(f"`{setting.name.upper()}`" for setting in SETTINGS)


@pytest.mark.parametrize(("name", "default"), list(defaults()))
def test_a_row_shows_the_default(name: str, default: object) -> None:
    assert ROWS[name] == shown(default)
