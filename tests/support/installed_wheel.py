"""The built wheel, and an environment that contains the wheel and nothing of the checkout."""

from pathlib import Path

import pytest

from tests.support.clean_environment import CleanEnvironment, build_wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a new environment that contains the locked dependencies and the wheel."""
    environment = CleanEnvironment.create(tmp_path_factory.mktemp("clean environment"), "requirements.lock")
    environment.pip("install", "--no-deps", wheel)
    return environment.place / "bin"
