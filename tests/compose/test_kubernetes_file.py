"""kubernetes.yaml runs the same commands as compose.yaml. The workloads of kubernetes.yaml, such as rpa-processor, have
other names than the services of compose.yaml."""

from typing import Any

import pytest
import yaml

from queue_store.settings import load_processor_settings
from tests.compose.compose_file import services
from tests.compose.places import KUBERNETES_FILE

SERVICES = services(POSTGRES_PASSWORD="p1", REDIS_PASSWORD="p2", FLOWER_BASIC_AUTH="operator:p3")
SERVICE_OF = {
    "rpa-migrate": "migrate",
    "rpa-processor": "worker",
    "rpa-control": "control",
    "rpa-beat": "beat",
    "rpa-flower": "flower",
    "rpa-metrics": "metrics",
}
OBJECTS = list(yaml.safe_load_all(KUBERNETES_FILE.read_text()))
WORKLOADS = {o["metadata"]["name"]: o for o in OBJECTS if o["kind"] in ("Deployment", "Job")}


def container(name: str) -> dict[str, Any]:
    [only] = WORKLOADS[name]["spec"]["template"]["spec"]["containers"]
    return only


def test_all_processing_is_one_deployment_that_can_be_scaled_to_zero() -> None:
    processor = WORKLOADS["rpa-processor"]
    assert processor["kind"] == "Deployment"
    assert processor["spec"]["template"]["metadata"]["labels"]["app"] == "rpa-processor"
    serving_flows = [name for name in WORKLOADS if "--queues=flows" in container(name)["args"]]
    assert serving_flows == ["rpa-processor"]


@pytest.mark.parametrize(("name", "service"), SERVICE_OF.items())
def test_every_workload_runs_the_command_of_its_service(name: str, service: str) -> None:
    assert SERVICE_OF.keys() == WORKLOADS.keys()
    assert container(name)["args"] == SERVICES[service].command


@pytest.mark.parametrize("name", ["rpa-processor", "rpa-control", "rpa-beat"])
def test_probes_look_at_the_same_file_as_compose(name: str) -> None:
    test = SERVICES[SERVICE_OF[name]].healthcheck[1]
    for probe in ("startupProbe", "livenessProbe"):
        assert container(name)[probe]["exec"]["command"] == ["sh", "-c", test]


@pytest.mark.parametrize("name", SERVICE_OF)
def test_nothing_runs_as_root_or_with_rights_it_does_not_need(name: str) -> None:
    assert WORKLOADS[name]["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_labels_of_pods_are_the_selectors_of_their_deployments() -> None:
    for name, workload in WORKLOADS.items():
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert labels["app"] == name
        if workload["kind"] == "Deployment":
            assert workload["spec"]["selector"]["matchLabels"] == {"app": name}


def test_its_settings_are_accepted_and_its_secrets_are_elsewhere() -> None:
    [settings] = [o["data"] for o in OBJECTS if o["kind"] == "ConfigMap"]
    load_processor_settings(settings)
    assert not [o for o in OBJECTS if o["kind"] == "Secret"]
    for name in WORKLOADS:
        assert {"secretRef": {"name": "rpa-secrets"}} in container(name)["envFrom"]
    for name in ("DATABASE_URL", "CELERY_BROKER_URL", "FLOWER_BASIC_AUTH"):
        assert name not in settings


def test_metrics_are_at_the_port_that_prometheus_is_told() -> None:
    [service] = [o for o in OBJECTS if o["kind"] == "Service" and o["metadata"]["name"] == "rpa-metrics"]
    [port] = service["spec"]["ports"]
    assert f"--port={port['port']}" in container("rpa-metrics")["args"]
    assert {"name": port["targetPort"], "containerPort": port["port"]} in container("rpa-metrics")["ports"]
