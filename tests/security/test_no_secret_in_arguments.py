"""Every user of a machine can read the arguments of its processes. No text of ours shows a secret in an argument, and
no option of ours takes a secret."""

import re
from collections.abc import Iterator

import click
import pytest

from tasks.cli import main
from tests.support.documents import ROOT

READ = (
    "*.md", "Makefile", ".ci/*", "docs/**/*.md", "compose/**/*", "tasks/**/*", "queue_store/**/*", "benchmarks/**/*",
    "findings/*",
)  # fmt: skip
TEXTS = (".md", ".py", ".sql", ".sh", ".yaml", ".yml", ".html", ".js", ".example", ".mako", "")
COMMANDS = "queuectl|celery|flower|psql|pg_dump|pg_restore|createdb|redis-cli|kubectl|docker|podman|curl|apprise|make"
SECRET_IN_ARGUMENTS = {
    "an option for a login": r"--(?:basic[-_]auth|oauth2[-_]secret|password|secret(?! id=)|token|api[-_]key)[= ]",
    "a secret of Kubernetes": r"--from-literal",
    "a container's variable": r"\b(?:docker|podman)\b.*\s(?:-e|--env)[ =]?\w+=",
    "a password for Redis": r"\bredis-cli\b.*\s(?:-a|--pass|--user)\b",
    "a password for curl": r"\bcurl\b.*\s(?:-u|--user)\b",
    "a variable set by env": r"\benv\s+\w*(?:PASS|SECRET|TOKEN|AUTH|URL)\w*=",
    "a URL with a password": rf"(?:^|[`'\"$;|&(]|\b(?:exec|sudo))\s*(?:{COMMANDS})\s[^`;|]*://[^\s/@]*:[^\s/@]+@",
}
TAUGHT = (
    "celery -A processing_queue flower --basic-auth=eve:PASSWORD",
    "kubectl create secret generic a \\\n  --from-literal=FLOWER_BASIC_AUTH=operator:password",
    "docker run -e POSTGRES_PASSWORD=x postgres",
    "redis-cli -a PASSWORD LRANGE processing_queue:set_aside 0 -1",
    "curl -u eve:PASSWORD http://localhost:5555/metrics",
    "env DATABASE_URL=postgresql://a:b@c/d queuectl status",
    "say `psql postgresql://app:PASSWORD@db/rpa_db`",
    "celery -A tasks -b redis://:PASSWORD@redis/0 worker",
)
HARMLESS = (
    "export CELERY_BROKER_URL=redis://:PASSWORD@redis/0",
    "DATABASE_URL=postgresql://app:PASSWORD@db/rpa_db queuectl status",
    "FLOWER_BASIC_AUTH=eve:PASSWORD",
    "kubectl create secret generic a --from-env-file=compose/secrets.env",
    "psql postgresql://app@db/rpa_db",
    "docker build --secret id=pip.conf,src=/etc/pip.conf .",
    "docker compose -f compose/compose.yaml up -d",
)


def found_in(text: str) -> list[str]:
    lines = text.replace("\\\n", " ").splitlines()
    return [
        f"{what}: {line.strip()}"
        for line in lines
        for what, pattern in SECRET_IN_ARGUMENTS.items()
        if re.search(pattern, line)
    ]


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for each in command.list_commands(context):
                nested = command.get_command(context, each)
                assert nested is not None
                yield from commands(nested, f"{name} {each}")


@pytest.mark.parametrize("text", TAUGHT)
def test_a_text_that_teaches_it_is_found(text: str) -> None:
    assert found_in(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_the_environment_and_files_are_not(text: str) -> None:
    assert found_in(text) == []


def test_no_document_file_or_message_of_ours_teaches_it() -> None:
    files = {
        path for pattern in READ for path in ROOT.glob(pattern) if path.is_file() and path.suffix in TEXTS
    }
    assert len(files) > 300
    taught = {str(path.relative_to(ROOT)): found_in(path.read_text()) for path in sorted(files)}
    assert {path: lines for path, lines in taught.items() if lines} == {}


def test_no_command_of_ours_teaches_it_or_takes_a_secret() -> None:
    ours = dict(commands(main, "queuectl"))
    assert len(ours) > 30
    for name, command in ours.items():
        with click.Context(command, info_name=name) as context:
            assert found_in(command.get_help(context)) == [], name
        named = [option for parameter in command.params for option in (parameter.name, *parameter.opts)]
        assert not re.search(r"pass(word)?\b|secret|token|\burl|dsn", " ".join(map(str, named))), name
