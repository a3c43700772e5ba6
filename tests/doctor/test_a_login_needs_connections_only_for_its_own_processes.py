"""`queuectl doctor` compares the CONNECTION LIMIT of a login with the need of the processes that use this login."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest
from sqlalchemy.engine import make_url

from queue_store.queue_schema import role_name, server_wide_name
from tests.doctor.conftest import Patient

MONITOR, ONE, TWO = "doctor_looks", "doctor_first", "doctor_second"


@pytest.fixture
def _logins(patient: Patient) -> Iterator[None]:
    patient.execute(
        *[f"DROP ROLE IF EXISTS {login}" for login in (MONITOR, ONE, TWO)],
        f"CREATE ROLE {MONITOR} LOGIN IN ROLE {role_name('monitor')}",
        *[f"CREATE ROLE {login} LOGIN IN ROLE {role_name('worker')}" for login in (ONE, TWO)],
    )
    yield
    patient.execute(*[f"DROP ROLE {login}" for login in (MONITOR, ONE, TWO)])


def url_of(patient: Patient, login: str) -> str:
    return make_url(patient.url).set(username=login).render_as_string(hide_password=False)


@contextmanager
def worker_sessions(patient: Patient, *logins: str) -> Iterator[None]:
    with ExitStack() as stack:
        for number, login in enumerate(logins):
            name = f"{server_wide_name()} worker {number}"
            stack.enter_context(psycopg.connect(url_of(patient, login), application_name=name))
        yield


@pytest.mark.usefixtures("_logins")
@pytest.mark.parametrize("limit", [2, 3])
def test_a_login_that_only_looks_needs_none_for_the_workers(
    limit: int, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two worker processes need four connections, but they use another login."""
    patient.execute(f"ALTER ROLE {MONITOR} CONNECTION LIMIT {limit}")
    monkeypatch.setenv("DATABASE_URL", url_of(patient, MONITOR))
    with worker_sessions(patient, ONE, ONE):
        assert patient.examine(exit_code=0)["connections"]["level"] == "ok"


@pytest.mark.usefixtures("_logins")
def test_each_of_two_logins_needs_those_of_its_own_processes(patient: Patient) -> None:
    patient.execute(f"ALTER ROLE {ONE} CONNECTION LIMIT 3", f"ALTER ROLE {TWO} CONNECTION LIMIT 3")
    with worker_sessions(patient, ONE, TWO):
        assert patient.examine(exit_code=0)["connections"]["level"] == "ok"
        patient.execute(f"ALTER ROLE {TWO} CONNECTION LIMIT 1")
        found = patient.examine(exit_code=2)["connections"]
    assert found["message"] == (
        f"2 worker processes need 4 connections, 2 of them with the login {TWO}. Together with other clients, 2 are "
        f"needed; the login {TWO} allows 1."
    )


@pytest.mark.usefixtures("_logins")
def test_a_login_of_all_workers_needs_those_of_the_whole_fleet(patient: Patient) -> None:
    patient.execute(f"ALTER ROLE {ONE} CONNECTION LIMIT 3")
    with worker_sessions(patient, ONE):
        found = patient.examine(exit_code=2)["connections"]
    assert found["message"].startswith("2 worker processes need 4 connections. ")
    assert f"the login {ONE} allows 3" in found["message"]


@pytest.mark.usefixtures("_logins")
def test_a_login_whose_connections_are_used_up_is_still_reported(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient.execute(f"ALTER ROLE {MONITOR} CONNECTION LIMIT 20")
    monkeypatch.setenv("DATABASE_URL", url_of(patient, MONITOR))
    with ExitStack() as stack:
        for _ in range(18):
            stack.enter_context(psycopg.connect(url_of(patient, MONITOR), application_name="dashboard"))
        found = patient.examine(exit_code=1)["connections"]
    assert f"the login {MONITOR} allows 20" in found["message"]
