"""The migrations are one row of numbers without a gap, and each says what it locks."""

import importlib.util
from pathlib import Path

import pytest

from queue_store import migrations
from queue_store.database import versions

VERSIONS = sorted((Path(migrations.__file__).parent / "versions").glob("0*.py"))


def test_they_are_numbered_without_a_gap() -> None:
    assert [path.name[:4] for path in VERSIONS] == [f"{n:04}" for n in range(1, len(VERSIONS) + 1)]
    assert versions.latest_version() == VERSIONS[-1].name[:4]
    assert sorted(versions.known_versions()) == [path.name[:4] for path in VERSIONS]


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_each_follows_the_one_before_it_has_its_sql_and_says_what_it_locks(path: Path) -> None:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    number = int(path.name[:4])
    assert module.revision == path.name[:4]
    assert module.down_revision == (f"{number - 1:04}" if number > 1 else None)
    assert path.with_suffix(".sql").exists()
    assert "Locks: " in (module.__doc__ or "")
    assert "Safe while workers run: " in (module.__doc__ or "")
