"""Write a page about the dependencies: known vulnerabilities, licences, the bill of materials, image scans."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

LINES = textwrap.TextWrapper(118, subsequent_indent="  ", break_on_hyphens=False)
BILL = Path(".data/sbom.json")
IMAGE = "processing-queue:latest"
SCANNERS = {
    "trivy": ("trivy", "image", "--quiet", IMAGE),
    "grype": ("grype", "--quiet", IMAGE),
    # debsecan judges the Debian packages of the system that it runs in.
    "debsecan": ("debsecan", "--only-fixed", "--format", "summary"),
}
AUDITED = {
    0: "No known vulnerability was found in the libraries that could be judged.",
    1: "**Vulnerable libraries were found.**",
    75: "**Nothing was audited**: the service was unreachable or knew none of the libraries. They may be vulnerable.",
}


def main() -> None:
    audit, audited = run(sys.executable, ".ci/audit.py")
    licences, _ = run("make", "--silent", "--no-print-directory", "licences")
    print(f"""\
# Supply chain

Made by `make supply-chain`, ended {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: Python {platform.python_version()}.

## Known vulnerabilities

`make audit` asks the vulnerability service of PyPI about each library of the lock files.
{AUDITED.get(audited, "")}

{block(audit)}

## Licences

`make licences` fails on a licence that nobody has agreed to. It looks at everything that is installed for development,
which is more than a worker needs.

{block(licences)}

## Bill of materials

{bill()}

## Container image

Scanners for the image `{IMAGE}`. debsecan judges the Debian packages of the system that it runs in:
run it in a container of the image.

{chr(10).join(scan(name, command) for name, command in SCANNERS.items())}""")


def bill() -> str:
    run("make", "--silent", "sbom")
    components = json.loads(BILL.read_text())["components"]
    digest = hashlib.sha256(BILL.read_bytes()).hexdigest()
    return (
        f"`make sbom` writes `{BILL}` from `requirements.lock`, in the format CycloneDX: {len(components)} libraries,\n"
        f"each with the hashes of its files. The same lock file makes the same bill. Its SHA-256:\n\n{block(digest)}"
    )


def scan(name: str, command: tuple[str, ...]) -> str:
    shown = f"- `{' '.join(command)}`:"
    if shutil.which(name) is None:
        return f"{shown} **not scanned**. {name} is not installed here."
    said, code = run(*command)
    if code:
        return f"{shown} **not scanned**. {name} could not load its data (exit code {code})."
    return f"{shown}\n\n{block(said)}\n"


def run(*command: str) -> tuple[str, int]:
    """Returns the output of the command, and its exit code. The hash seed is fixed, so that the output has the same
    order each time."""
    answer = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "0"},
    )
    return "\n".join(LINES.fill(line.rstrip()) for line in answer.stdout.splitlines()), answer.returncode


def block(text: str) -> str:
    return f"```text\n{text}\n```"


if __name__ == "__main__":
    main()
