"""The commands in compose/README.md name only things that exist."""

import re

from tests.compose.compose_file import services
from tests.compose.places import COMPOSE, KUBERNETES_FILE, ROOT

README = (COMPOSE / "README.md").read_text()
LINES = [line.partition("  #")[0].strip() for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
         for line in block.splitlines()]  # fmt: skip
SERVICES = services(POSTGRES_PASSWORD="p1", REDIS_PASSWORD="p2", FLOWER_BASIC_AUTH="operator:p3")


def test_every_service_is_described_and_no_other() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)) == SERVICES.keys()


def test_the_copied_examples_and_the_compose_file_are_there() -> None:
    named = [word for line in LINES for word in line.split() if word.startswith("compose/")]
    written = {"compose/.env", "compose/settings.env", "compose/secrets.env"}
    assert {"compose/compose.yaml", "compose/Dockerfile", "compose/kubernetes.yaml"} <= set(named)
    assert all((ROOT / name).exists() for name in set(named) - written)


def test_commands_of_compose_and_kubernetes_name_what_the_files_declare() -> None:
    named = re.findall(
        r"(?:exec|stop|--scale) (\w+)", "\n".join(line for line in LINES if "compose.yaml" in line)
    )
    assert named
    assert set(named) <= SERVICES.keys()
    kubernetes = KUBERNETES_FILE.read_text()
    for name in re.findall(r"(?:app=|deployment |service/)(rpa-\w+)", "\n".join(LINES)):
        assert f"name: {name}\n" in kubernetes
    secret = next(line for line in LINES if "create secret" in line)
    assert "name: rpa-secrets" in kubernetes
    assert "rpa-secrets" in secret
