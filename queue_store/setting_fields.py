"""The kinds of settings. Each kind of setting is a field with a default and a parser. The parser raises a ValueError
that says what is wrong."""

import re
from collections.abc import Callable
from dataclasses import field
from typing import Any
from zoneinfo import ZoneInfo

PUBLIC = "public"
SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,31}")  # so that no role's name is longer than Postgres allows


def number(kind: type, default: float, minimum: float, maximum: float) -> Any:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError(
                f"must be {'a whole' if kind is int else 'a'} number, not {text[:64]!r}"
            ) from None
        if not minimum <= value <= maximum:
            raise ValueError(f"must be between {minimum} and {maximum}, not {text[:64]}")
        return value

    return field(default=kind(default), metadata={"parse": parse})


def whole(default: int, minimum: int, maximum: int) -> Any:
    return number(int, default, minimum, maximum)


def real(default: float, minimum: float, maximum: float) -> Any:
    return number(float, default, minimum, maximum)


def parse_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse_log_format(text: str) -> str:
    if text not in ("text", "json"):
        raise ValueError(f"must be text or json, not {text[:64]!r}")
    return text


def parse_timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError, KeyError):
        raise ValueError(f"must be a time zone such as Europe/Berlin, not {text[:64]!r}") from None
    return text


def parse_schema(text: str) -> str:
    if not SCHEMA.fullmatch(text):
        raise ValueError(
            "must be the name of a schema, up to 32 lower-case letters, digits and _, beginning with a letter or _, "
            f"not {text[:64]!r}"
        )
    if text.startswith("pg_") or text == "information_schema":
        raise ValueError(f"must not be {text}: Postgres uses that name itself")
    return text


def parse_switch(text: str) -> bool:
    if text.lower() not in ("1", "true", "yes", "0", "false", "no"):
        raise ValueError(f"must be true or false, not {text[:64]!r}")
    return text.lower() in ("1", "true", "yes")


def parsed(default: Any, parse: Callable[[str], Any], *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"parse": parse})


def contact() -> Any:
    return parsed((), parse_names, secret=True)  # URLs of channels contain tokens
