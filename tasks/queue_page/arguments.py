"""The arguments that a browser sent, checked before any other code uses them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

MAXIMUM_ID = 2**63 - 1
TEXT_LENGTH = 1_000
SURROGATE = re.compile("[\ud800-\udfff]")
IDS_AT_MOST = 10_000


class BadInputError(ValueError):
    """The message says which field is wrong, and what it should be."""


class Arguments:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise BadInputError(f"{name} must be text")
        if "\x00" in value:
            raise BadInputError(f"{name} holds a NUL character, which no record can have")
        if SURROGATE.search(value):
            raise BadInputError(f"{name} holds half of a character (a surrogate): send it as UTF-8")
        if len(value) > TEXT_LENGTH:
            raise BadInputError(f"{name} is longer than {TEXT_LENGTH} characters")
        return value

    def needed_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise BadInputError(f"{name} is missing")
        return value

    def whole(self, name: str, minimum: int = 0, maximum: int = MAXIMUM_ID) -> int | None:
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | str)
            or not re.fullmatch(r"-?\d{1,19}", str(value))
        ):
            raise BadInputError(f"{name} must be a whole number")
        if not minimum <= int(value) <= maximum:
            raise BadInputError(f"{name} must be between {minimum} and {maximum}")
        return int(value)

    def needed_whole(self, name: str, minimum: int = 0, maximum: int = MAXIMUM_ID) -> int:
        value = self.whole(name, minimum, maximum)
        if value is None:
            raise BadInputError(f"{name} is missing")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        value = self.text(name)
        if value is not None and value not in choices:
            raise BadInputError(f"{name} must be one of {', '.join(choices)}")
        return value

    def uuid(self, name: str) -> UUID | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            return UUID(value)
        except ValueError:
            raise BadInputError(
                f"{name} must be an id such as 0b0f5a0e-6f0c-4d5b-9a63-3a8f0f6c1d00"
            ) from None

    def needed_uuid(self, name: str) -> UUID:
        value = self.uuid(name)
        if value is None:
            raise BadInputError(f"{name} is missing")
        return value

    def switch(self, name: str) -> bool:
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise BadInputError(f"{name} must be true or false")
        return value

    def instant(self, name: str) -> datetime | None:
        """Reads an instant in ISO 8601. An instant without a time zone is in UTC."""
        text = self.text(name)
        if text is None:
            return None
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise BadInputError(f"{name} must be a date or an instant such as 2026-11-23T18:00") from None
        if not 2000 <= instant.year < 9999:
            raise BadInputError(f"{name} must lie between the years 2000 and 9998")
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)

    def ids(self, name: str = "ids") -> list[int] | None:
        values = self._values.get(name)
        if values is None:
            return None
        if not isinstance(values, list) or not values or len(values) > IDS_AT_MOST:
            raise BadInputError(f"{name} must be a list of 1 to {IDS_AT_MOST} record ids")
        return [Arguments({name: value}).needed_whole(name, 1) for value in values]
