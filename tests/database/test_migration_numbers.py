"""The migrations are numbered without a gap. Each migration states which locks it takes, and which releases of the code
work with its schema."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from queue_store import migrations
from queue_store.database import versions

VERSIONS = sorted((Path(migrations.__file__).parent / "versions").glob("0*.py"))
KIND = re.compile(r"^Kind: (?:expand|contract\. Serves code from (\w+))\.$", re.MULTILINE)


def loaded(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_they_are_numbered_without_a_gap() -> None:
    assert [path.name[:4] for path in VERSIONS] == [f"{n:04}" for n in range(1, len(VERSIONS) + 1)]
    assert list(versions.known_versions()) == [path.stem for path in VERSIONS]
    assert versions.known_versions()[0] == versions.FIRST


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_each_follows_the_one_before_it_has_its_sql_and_says_what_it_locks(path: Path) -> None:
    module = loaded(path)
    before = VERSIONS[VERSIONS.index(path) - 1].stem if path != VERSIONS[0] else None
    assert module.revision == path.stem
    assert len(path.stem) <= 32  # the column version_num has 32 characters
    assert module.down_revision == before
    if hasattr(module, "FILES"):
        files = {file.stem for file in path.with_suffix("").iterdir()}
        assert (sorted(files), len(module.FILES)) == (sorted(module.FILES), len(files))
    else:
        assert path.with_suffix(".sql").exists() or path.with_suffix("").is_dir()
    for what in ("Kind: ", "Locks: ", "Safe while workers run: "):
        assert what in (module.__doc__ or "")


def test_the_code_that_the_schema_serves_is_what_the_last_contract_says() -> None:
    serves = versions.FIRST
    for path in VERSIONS:
        found = KIND.search(loaded(path).__doc__ or "")
        assert found, f"{path.name} must say `Kind: expand.` or `Kind: contract. Serves code from VERSION.`"
        serves = found[1] or serves
        assert serves in versions.known_versions()
    assert serves == versions.SERVES_CODE_FROM
