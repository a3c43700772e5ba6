"""Each line of the log is one JSON document, whatever was logged."""

import json
import logging
import sys

import pytest

from tasks.observing.json_logs import JsonFormatter, write_json


def formatted(message: str, *arguments: object, logger: str = "shop", **extra: object) -> dict[str, object]:
    record = logging.getLogger(logger).makeRecord(
        logger, logging.WARNING, "shop.py", 1, message, arguments, sys.exc_info() if sys.exc_info()[0] else None,
        extra=extra or None,
    )  # fmt: skip
    line = JsonFormatter().format(record)
    assert "\n" not in line
    return json.loads(line)


def test_a_line_says_when_how_grave_where_and_what() -> None:
    line = formatted("order %s of %s\nis late", 7, "Zoë", order_id=7)
    assert line["message"] == "order 7 of Zoë\nis late"
    assert (line["level"], line["logger"], line["order_id"]) == ("WARNING", "shop", 7)
    assert str(line["time"]).endswith("+00:00")
    assert "exception" not in line


def test_an_exception_comes_with_its_traceback_in_the_same_line() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        line = formatted("failed")
    assert "ValueError: broken" in str(line["exception"])


def test_what_a_caller_binds_is_told_without_secrets() -> None:
    line = formatted(
        "called", url="postgresql://me:hunter22@host/db", password="hunter22", pin_secret=hunter(),
        request={"headers": {"Authorization": "Bearer hunter22hunter22"}, "tries": [1, 2.5, None, True]},
        steps=("password=hunter22", "\x1b[31mred"), order_id=7,
    )  # fmt: skip
    assert "hunter22" not in json.dumps(line)
    assert "220022" not in json.dumps(line)
    assert "\x1b" not in str(line["steps"])
    assert line["order_id"] == 7
    assert line["request"]["tries"] == [1, 2.5, None, True]  # type: ignore[index]


def hunter() -> int:
    return 220022


def test_what_celery_binds_to_its_lines_is_left_out_because_it_holds_arguments() -> None:
    assert "data" not in formatted("received", logger="celery.worker.strategy", data={"args": "secret"})


@pytest.mark.parametrize(("log_format", "is_json"), [("json", True), ("text", False)])
def test_the_setting_decides(log_format: str, is_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_LOG_FORMAT", log_format)
    logger = logging.Logger("own")  # noqa: LOG001  (must not be registered)
    logger.addHandler(handler := logging.NullHandler())
    write_json(logger)
    assert isinstance(handler.formatter, JsonFormatter) is is_json
