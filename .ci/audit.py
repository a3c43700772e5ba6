"""Ask the vulnerability service about every library of `LOCK_FILES`, and name the libraries that the service could
not judge.

Exits with 1 if a library is vulnerable. Exits with 75 if no library could be judged.
"""

import json
import subprocess
import sys

LOCK_FILES = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")
NOT_AUDITED = 75


def main() -> int:
    lists = [part for name in LOCK_FILES for part in ("--requirement", name)]
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off", "--disable-pip"]
    answer = subprocess.run(
        [*command, "--require-hashes", *lists], capture_output=True, text=True, check=False
    )
    if not answer.stdout.startswith("{"):
        print("!!! NOT AUDITED: the vulnerability service gave no answer:", answer.stderr[-500:], sep="\n")
        return NOT_AUDITED
    libraries = json.loads(answer.stdout)["dependencies"]
    skipped = [library["name"] for library in libraries if "skip_reason" in library]
    if skipped:
        print(f"!!! NOT AUDITED, the service does not know them: {', '.join(sorted(set(skipped)))}")
    vulnerable = [library for library in libraries if library.get("vulns")]
    for library in vulnerable:
        found = ", ".join(entry["id"] for entry in library["vulns"])
        print(f"{library['name']} {library['version']}: {found}")
    audited = len(libraries) - len(skipped)
    print(f"{audited} libraries audited, {len(skipped)} skipped, {len(vulnerable)} vulnerable")
    if vulnerable:
        return 1
    return 0 if audited else NOT_AUDITED


if __name__ == "__main__":
    sys.exit(main())
