"""The Prometheus alert rules fire when they should, and only then. Prometheus' own tool checks this."""

import shutil
import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "compose/prometheus"
PROMTOOL = shutil.which("promtool")

pytestmark = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not on PATH: it is in Debian's package `prometheus`"
)


def promtool(*arguments: str) -> str:
    answer = subprocess.run([str(PROMTOOL), *arguments], cwd=RULES, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_promtool_accepts_the_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", "alert_rules.yml")


def test_the_rules_fire_and_are_silent_as_their_tests_say() -> None:
    promtool("test", "rules", "alert_rules_test.yml")
