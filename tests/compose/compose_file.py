"""Reads compose.yaml as the compose programs do: with variables filled in and merge keys resolved."""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from tests.compose.places import COMPOSE_FILE

VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")


@dataclass(frozen=True)
class Service:
    name: str
    image: str
    command: list[str]
    environment: dict[str, str]
    healthcheck: list[str]
    definition: dict[str, Any]


def services(**variables: str) -> dict[str, Service]:
    """Raises KeyError, with the message of compose.yaml, if a required variable is missing."""
    document = yaml.safe_load(fill_in(COMPOSE_FILE.read_text(), variables))
    return {name: _service(name, definition) for name, definition in document["services"].items()}


def fill_in(text: str, variables: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if given := variables.get(match["name"]):
            return given
        if match["kind"] == "-":
            return match["rest"]
        raise KeyError(f"{match['name']}: {match['rest']}")

    return VARIABLE.sub(value, text)


def _service(name: str, definition: dict[str, Any]) -> Service:
    return Service(
        name=name,
        image=definition["image"],
        command=definition.get("command", []),
        environment=definition.get("environment", {}),
        healthcheck=definition.get("healthcheck", {}).get("test", []),
        definition=definition,
    )
