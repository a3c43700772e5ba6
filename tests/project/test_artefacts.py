"""The published files depend only on the commit. Each build has the same bytes, on any machine and at any time."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.clean_environment import ROOT, run

pytestmark = [pytest.mark.package, pytest.mark.timeout(900)]
NAME = "processing_queue-0.1.0"


def copy_of_checkout(place: Path, umask: int, modified_at: int) -> Path:
    """Under the given umask, copies the tracked files, and the untracked files that git does not ignore. Each copy gets
    the given modification time."""
    listing = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT)
    before = os.umask(umask)
    try:
        for name in filter(None, listing.split("\0")):
            if (ROOT / name).exists():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, place / name)
                os.utime(place / name, (modified_at, modified_at))
    finally:
        os.umask(before)
    return place


def built(source: Path, target: Path, umask: int) -> dict[str, str]:
    """Builds the source distribution and the wheel. Returns the hash of each file."""
    for kind in ("sdist", "wheel"):
        command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", target]
        subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=400, umask=umask)
    return {file.name: hashed(file) for file in target.iterdir()}


def hashed(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_two_builds_are_the_same_byte_for_byte(tmp_path: Path) -> None:
    first = copy_of_checkout(tmp_path / "a", 0o022, 1_600_000_000)
    second = copy_of_checkout(tmp_path / "elsewhere/b", 0o077, 1_790_000_001)
    (second / "queue_store/__pycache__").mkdir()
    (second / "queue_store/__pycache__/errors.cpython-311.pyc").write_bytes(b"of one machine")
    assert (first / "README.md").stat().st_mode != (second / "README.md").stat().st_mode
    files = built(first, tmp_path / "one", 0o022)
    assert len(files) == 2
    assert built(second, tmp_path / "two", 0o077) == files


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    place = tmp_path / "clone"
    run(["git", "clone", "--quiet", str(ROOT), str(place)], cwd=tmp_path)
    shutil.copyfile(ROOT / ".ci/artefacts.py", place / ".ci/artefacts.py")
    return place


def test_the_target_builds_what_is_committed(clone: Path, tmp_path: Path) -> None:
    (clone / "queue_store/left_over.py").touch()
    with (clone / "README.md").open("a") as readme:
        readme.write("not committed\n")
    (tmp_path / "sbom.json").write_text("{}")
    (clone / "dist").mkdir()
    (clone / "dist/of_an_older_version.whl").touch()
    said = run([sys.executable, ".ci/artefacts.py", "dist", tmp_path / "sbom.json"], cwd=clone)
    assert "Uncommitted changes are left out." in said
    sums = dict(reversed(line.split("  ")) for line in (clone / "dist/SHA256SUMS").read_text().splitlines())
    assert sums.keys() == {f"{NAME}-py3-none-any.whl", f"{NAME}.cdx.json", f"{NAME}.tar.gz"}
    assert sums == {name: hashed(clone / "dist" / name) for name in sums}
    assert {file.name for file in (clone / "dist").iterdir()} == {*sums, "SHA256SUMS"}
    with tarfile.open(clone / "dist" / f"{NAME}.tar.gz") as archive:
        names = archive.getnames()
        readme_text = archive.extractfile(f"{NAME}/README.md")
        assert readme_text
        assert b"not committed" not in readme_text.read()
    assert not [name for name in names if "left_over" in name]
