"""Only permitted users see or change anything on the page."""

import base64
from pathlib import Path

import pytest

from tasks.queue_page.actions import ACTIONS
from tests.support.flower_process import FlowerProcess, environment
from tests.support.page_flower import DATA_PATHS, PAGE_PATHS, flower, page_database, page_database_url

__all__ = ["flower", "page_database", "page_database_url"]


@pytest.mark.parametrize(
    "path",
    [
        *PAGE_PATHS,
        *DATA_PATHS,
        *("/queue/export.csv", "/queue/nothing", "/metrics"),
        *(
            "/",
            "/workers",
            "/tasks",
            "/broker",
            "/tasks/datatable",
            "/task/x",
            "/worker/x",
            "/api/workers",
            "/api/tasks",
        ),
    ],
)
def test_nobody_sees_anything_without_the_login(path: str, flower: FlowerProcess) -> None:
    assert flower.ask(path, login=False).status == 401
    wrong = {"Authorization": "Basic b3BzOndyb25n"}
    assert flower.ask(path, login=False, headers=wrong).status == 401


@pytest.mark.parametrize("credentials", ["é:é", "ops:é", "ops", ":", "\x00:\x00"])
@pytest.mark.parametrize(
    "path", ["/queue", "/queue/api/overview", "/queue/export.csv", "/workers", "/api/workers"]
)
def test_odd_credentials_are_wrong_ones(path: str, credentials: str, flower: FlowerProcess) -> None:
    odd = {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}
    assert flower.ask(path, login=False, headers=odd).status == 401
    assert flower.do("reset", {"ids": [1]}, login=False, headers=odd).status == 401


@pytest.mark.parametrize("action", ACTIONS)
def test_nobody_changes_anything_without_the_login(action: str, flower: FlowerProcess) -> None:
    assert flower.do(action, {"ids": [1], "flow": "thumbnail", "alert": 1}, login=False).status == 401


@pytest.mark.parametrize("action", ACTIONS)
def test_another_site_cannot_use_the_login_of_the_browser(action: str, flower: FlowerProcess) -> None:
    answer = flower.ask(f"/queue/api/do/{action}", method="POST", body={"ids": [1], "flow": "thumbnail"})
    assert answer.status == 403
    assert "_xsrf" in answer.json["error"]


def test_read_only_mode_refuses_every_action(page_database_url: str, redis_url: str, tmp_path: Path) -> None:
    process = FlowerProcess(environment(page_database_url, redis_url), tmp_path / "log", "--read-only")
    try:
        process.wait()
        for action in ACTIONS:
            answer = process.do(action, {"ids": [1], "flow": "thumbnail", "alert": 1})
            assert (answer.status, "read-only" in answer.text) == (403, True)
        assert "read-only" in process.ask("/queue").text
    finally:
        process.stop()


def test_without_a_login_it_serves_this_machine_and_changes_nothing(
    page_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    process = FlowerProcess(environment(page_database_url, redis_url), tmp_path / "log", login=False)
    try:
        process.wait()
        assert process.ask("/queue/api/overview", login=False).status == 200
        assert process.ask("/queue", login=False, headers={"Host": "evil.example"}).status == 403
        for action in ACTIONS:
            assert process.do(action, {"ids": [1], "flow": "thumbnail"}, login=False).status == 403
    finally:
        process.stop()


def test_without_a_login_it_does_not_listen_to_others(
    page_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    process = FlowerProcess(environment(page_database_url, redis_url), log, "--address=0.0.0.0", login=False)
    assert process.process.wait(30) == 1
    assert "set FLOWER_BASIC_AUTH=NAME:PASSWORD" in log.read_text()
