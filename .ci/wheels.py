"""Check that the locked wheels exist for every declared platform and Python version.

The argument is the path of uv, which can install for platforms other than this one. For the embedded lock file, which
`make run` needs, uv installs the wheels into a temporary directory and checks their hashes. For the development lock
file, uv only resolves the versions.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin")
VERSION = re.compile(r"Programming Language :: Python :: (3\.\d+)")
BOUND_SECONDS = 300


def main(uv: str) -> int:
    failed = 0
    with tempfile.TemporaryDirectory(prefix="wheels-") as place:
        for platform in PLATFORMS:
            for version in declared_versions():
                chosen = ["--python-platform", platform, "--python-version", version]
                error = (
                    install(uv, place, "requirements-embedded.lock", *chosen)
                    or install(uv, place, "requirements-dev.lock", *chosen, "--dry-run")
                )  # fmt: skip
                print(
                    f"{'FAILED' if error else 'ok':8}{platform:26}Python {version}  {error}".rstrip(),
                    flush=True,
                )
                failed += bool(error)
    return 1 if failed else 0


def declared_versions() -> list[str]:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    return [found[1] for entry in project["classifiers"] if (found := VERSION.fullmatch(entry))]


def install(uv: str, place: str, lock_file: str, *options: str) -> str:
    """Return the error, or an empty text."""
    target = tempfile.mkdtemp(dir=place)  # a new directory, because uv counts existing files as installed
    command = [
        uv, "pip", "install", "--quiet", "--target", target, "--cache-dir", f"{place}/cache",
        "--require-hashes", "--only-binary", ":all:", *options, "-r", lock_file,
    ]  # fmt: skip
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BOUND_SECONDS)
    return answer.stderr.strip() or "failed" if answer.returncode else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
