"""The image has the same files as the wheel, byte for byte."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from tests.compose.places import CACHE
from tests.compose.podman import APPLICATION, Podman, why_not
from tests.support.clean_environment import build_wheel

pytestmark = [pytest.mark.containers, pytest.mark.timeout(900)]
LOOK = (
    "cd /srv/processing-queue && sha256sum $(find queue_store tasks celeryconfig.py -type f ! -name '*.pyc') && "
    "cd /opt/processing-queue/lib/python3*/site-packages && sha256sum processing_queue_command.py"
)


def hashes_in_the_wheel(directory: Path) -> dict[str, str]:
    with zipfile.ZipFile(build_wheel(directory)) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in names}


def name_in_the_wheel(file: str) -> str:
    if file == "celeryconfig.py":
        return "processing_queue/celeryconfig.py"
    return f"processing_queue/{file.removeprefix('tasks/')}" if file.startswith("tasks/") else file


def test_the_image_has_the_files_of_the_wheel(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    podman = Podman(CACHE)
    podman.make_images()
    seen = podman.run("podman", "run", "--rm", "--network=none", "--entrypoint=sh", APPLICATION, "-c", LOOK)
    in_the_image = {
        name_in_the_wheel(file): hashed for hashed, file in map(str.split, seen.strip().splitlines())
    }
    assert in_the_image == hashes_in_the_wheel(tmp_path)
