"""compose.yaml fits the compose specification. Neither compose.yaml nor the files next to it contain a secret."""

import re
import subprocess
import sys

import pytest
import yaml

from queue_store.settings import load_database_settings, load_processor_settings
from tests.compose.compose_file import services
from tests.compose.places import COMPOSE, COMPOSE_FILE, ROOT

SECRETS = {"POSTGRES_PASSWORD": "p1", "REDIS_PASSWORD": "p2", "FLOWER_BASIC_AUTH": "operator:p3"}


def test_it_fits_the_compose_specification() -> None:
    check = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        COMPOSE_FILE,
    ]
    answer = subprocess.run(check, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("missing", SECRETS)
def test_no_secret_has_a_default(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        services(**{name: value for name, value in SECRETS.items() if name != missing})


def test_only_flower_is_published_and_on_the_loopback_only() -> None:
    ports = {name: service.definition["ports"] for name, service in services(**SECRETS).items()
             if "ports" in service.definition}  # fmt: skip
    assert ports == {"flower": ["127.0.0.1:5555:5555"]}


def test_prometheus_asks_a_service_that_serves_metrics_and_knows_the_rules() -> None:
    prometheus = yaml.safe_load((COMPOSE / "prometheus/prometheus.yml").read_text())
    [[target]] = [c["targets"] for job in prometheus["scrape_configs"] for c in job["static_configs"]]
    name, _, port = target.partition(":")
    assert services(**SECRETS)[name].command == [
        "queuectl", "metrics-server", "--address=0.0.0.0", f"--port={port}"
    ]  # fmt: skip
    assert all((COMPOSE / "prometheus" / file).exists() for file in prometheus["rule_files"])


def test_every_container_is_hardened_and_runs_as_a_user_of_its_own() -> None:
    for name, service in services(**SECRETS).items():
        assert service.definition["read_only"] is True, name
        assert service.definition["cap_drop"] == ["ALL"], name
        assert service.definition["security_opt"] == ["no-new-privileges:true"], name
        assert "/tmp" in service.definition["tmpfs"], name
        assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & service.definition.keys(), (
            name
        )
        if "build" not in service.definition:
            assert service.definition["user"] == name
    users = re.findall(r"^USER (.*)$", (COMPOSE / "Dockerfile").read_text(), re.MULTILINE)
    assert users == ["10001:10001"]


def test_every_image_can_be_named_by_digest() -> None:
    digest = f"example@sha256:{'0' * 64}"
    named = dict.fromkeys(("PROCESSING_QUEUE_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE", "PYTHON_IMAGE"), digest)
    for name, service in services(**SECRETS, **named).items():
        assert service.image == digest, name
        if "build" in service.definition:
            assert service.definition["build"]["args"] == {"PYTHON_IMAGE": digest}
    assert set(re.findall(r"^FROM (\S+)", (COMPOSE / "Dockerfile").read_text(), re.MULTILINE)) == {
        "${PYTHON_IMAGE}"
    }


def test_every_service_that_stays_has_a_health_check_and_is_started_again() -> None:
    staying = {name: service for name, service in services(**SECRETS).items() if name != "migrate"}
    assert all(service.healthcheck for service in staying.values())
    assert {service.definition["restart"] for service in staying.values()} == {"unless-stopped"}


def test_a_worker_has_the_time_that_a_clean_shutdown_takes() -> None:
    from tasks.background.worker_signals import GOODBYE_SECONDS

    for name in ("worker", "control"):
        seconds = int(services(**SECRETS)[name].definition["stop_grace_period"].rstrip("s"))
        assert seconds > GOODBYE_SECONDS


def test_each_example_file_names_what_exists() -> None:
    offered = set(re.findall(r"^(?:# )?([A-Z_]+)=", (COMPOSE / ".env.example").read_text(), re.MULTILINE))
    read = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE_FILE.read_text()))
    assert offered == read
    settings = dict(re.findall(r"^(\w+)=(.*)$", (COMPOSE / "settings.env.example").read_text(), re.MULTILINE))
    environment = {
        "ENVIRONMENT": "PRODUCTION",
        "DATABASE_URL": "postgresql://rpa@localhost/rpa_db",
        **settings,
    }
    load_processor_settings(environment)
    load_database_settings(environ=environment)


def test_what_is_built_needs_nothing_that_is_ignored() -> None:
    dockerfile = (COMPOSE / "Dockerfile").read_text()
    copied = {
        word
        for line in re.findall(r"^COPY (?!--)(.*) \S+$", dockerfile, re.MULTILINE)
        for word in line.split()
    }
    let_through = set(re.findall(r"^!(.*)$", (COMPOSE / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)


def test_the_files_that_hold_secrets_are_never_committed() -> None:
    for name in (".env", "settings.env", "secrets.env"):
        answer = subprocess.run(["git", "check-ignore", "-q", COMPOSE / name], cwd=ROOT)
        assert answer.returncode == 0, f"{name} is not ignored by git"
