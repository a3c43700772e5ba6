"""Build the wheel and the sdist of a commit into a directory, with the bill of materials and the hashes of all
files.

The sdist is built from the files of the commit alone, and the wheel from the sdist. A second wheel is built from the
commit, and must equal the first wheel. Other files in the checkout, file times and the umask do not change what is
built. The first argument is the directory to build into. The second argument is the path of the bill of materials.
"""

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path


def main(target: Path, bill: Path) -> int:
    commit = git("rev-parse", "--short", "HEAD")
    if git("status", "--porcelain", "--untracked-files=no"):
        print(f"Building commit {commit}. Uncommitted changes are left out.", file=sys.stderr)
    if target.exists():
        shutil.rmtree(target)
    with tempfile.TemporaryDirectory(prefix="artefacts-") as name:
        place = Path(name)
        export_commit(place / "commit")
        sdist = build(place / "commit", "sdist", place / "built")
        with tarfile.open(sdist) as archive:
            archive.extractall(place / "unpacked", filter="data")
        [unpacked] = (place / "unpacked").iterdir()
        wheel = build(unpacked, "wheel", place / "built")
        if hashed(wheel) != hashed(build(place / "commit", "wheel", place / "again")):
            print("The wheel from the sdist differs from the wheel from the commit.", file=sys.stderr)
            return 1
        shutil.copytree(place / "built", target)
    shutil.copy(bill, target / f"{wheel.name.partition('-py3')[0]}.cdx.json")
    files = sorted(target.iterdir())
    (target / "SHA256SUMS").write_text("".join(f"{hashed(file)}  {file.name}\n" for file in files))
    print(f"Commit {commit}, in {target}:\n{(target / 'SHA256SUMS').read_text()}", end="")
    return 0


def export_commit(place: Path) -> None:
    answer = subprocess.run(["git", "archive", "HEAD"], check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(answer.stdout)) as archive:
        archive.extractall(place, filter="data")


def build(source: Path, kind: str, target: Path) -> Path:
    target.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(target)]
    answer = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(f"The {kind} could not be built:\n{answer.stdout}{answer.stderr}")
    [file] = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return file


def hashed(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
