"""If only the login of `queuectl doctor` is read-only by default, the doctor says that the server takes writes."""

from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url

from queue_store.queue_schema import role_name
from tests.doctor.conftest import Patient

LOGIN = "doctor_reads_only"


@pytest.fixture
def url(patient: Patient) -> Iterator[str]:
    patient.execute(
        f"DROP ROLE IF EXISTS {LOGIN}",
        f"CREATE ROLE {LOGIN} LOGIN IN ROLE {role_name('monitor')}",
    )
    yield make_url(patient.url).set(username=LOGIN).render_as_string(hide_password=False)
    patient.execute(f"DROP OWNED BY {LOGIN}", f"DROP ROLE {LOGIN}")


@pytest.mark.parametrize("scope", ["", "IN DATABASE {database}"])
def test_the_doctor_says_that_the_server_takes_writes(
    scope: str, url: str, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = make_url(url).database
    patient.execute(
        f"ALTER ROLE {LOGIN} {scope.format(database=database)} SET default_transaction_read_only = on"
    )
    monkeypatch.setenv("DATABASE_URL", url)
    assert "answers and takes writes" in patient.examine(exit_code=0)["database"]["message"]
