"""`python -m tests.applications.pretix_site PYTHON`: sells tickets with pretix, as published on PyPI.

PYTHON is the interpreter of an environment that has pretix and this package. Only the settings of pretix are changed.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from tests.support.servers import running_postgres, running_redis
from tests.workers.processes import wait_until

HERE = __package__
CONFIGURATION = """
[pretix]
url=http://localhost
datadir={place}/data
[database]
backend=postgresql
name={name}
user={user}
host={host}
port={port}
[celery]
broker={broker}
backend={broker}
"""
QUEUES = "flows,default,checkout,mail,background,notifications"
UNFINISHED = "SELECT count(*) FROM processing_queue WHERE status IN ('pending', 'processing')"
SUMMARY = "SELECT flow_name, status, count(*) FROM processing_queue GROUP BY 1, 2 ORDER BY 1, 2"
# `main` counts the mails by this separator. Counting files would be wrong, because two mails can share a file: Django
# makes a file's name from the current second and a memory address, and both can be equal.
AFTER_EACH_MAIL = b"\n" + b"-" * 79 + b"\n"
EXPECTED = {
    ("pretix.base.services.cart.add_items_to_cart", "completed"): 10,
    ("pretix.base.services.cart.add_items_to_cart", "failed"): 1,
    ("pretix.base.services.orders.perform_order", "completed"): 10,
    ("pretix.base.services.mail.mail_send_task", "completed"): 10,
}


def main(python: str) -> None:
    """Raises AssertionError if an order or a mail is missing."""
    with tempfile.TemporaryDirectory() as place, running_postgres() as server, running_redis() as redis_url:
        site = Path(place)
        url = server.database_url(server.create_database())
        environment = site_environment(site, url, redis_url)

        def run(*command: str, script: str | None = None) -> str:
            done = subprocess.run(
                [python, *command], env=environment, capture_output=True, text=True, timeout=240, input=script
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        queuectl = str(Path(python).with_name("queuectl"))
        subprocess.run([queuectl, "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL)
        with subprocess.Popen(
            [queuectl, "register"], env=environment, stdout=subprocess.DEVNULL
        ) as registering:
            run("-m", "pretix", "migrate", "--run-syncdb", "--verbosity=0")
        assert registering.returncode == 0
        log = site / "worker.log"
        with psycopg.connect(url, autocommit=True) as connection, log.open("wb") as output:
            worker = subprocess.Popen(
                [python, "-m", "celery", "-A", "processing_queue", "worker", "-Q", QUEUES, "-c", "1"],
                env=environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                script = Path(__file__).with_name("buy.py").read_text()
                told = run("-m", "pretix", "shell", "--no-imports", script=script)
                wait_until(lambda: connection.execute(UNFINISHED).fetchone() == (0,), "the tasks", log, 120)
            finally:
                worker.terminate()
                worker.wait(60)
            rows = {(row[0], row[1]): row[2] for row in connection.execute(SUMMARY)}
        sys.stdout.write(
            told + "".join(f"{name} {status} {count}\n" for (name, status), count in rows.items())
        )
        mails = sum(file.read_bytes().count(AFTER_EACH_MAIL) for file in (site / "mails").iterdir())
        sys.stdout.write(f"mails: {mails}\n")
        assert "orders: 10" in told
        assert "rolled back: PENDING" in told
        assert "sold out: FAILURE" in told
        assert rows.items() >= EXPECTED.items(), log.read_text()
        assert mails == 10


def site_environment(site: Path, url: str, redis_url: str) -> dict[str, str]:
    parsed = make_url(url)
    configuration = site / "pretix.cfg"
    configuration.write_text(
        CONFIGURATION.format(
            place=site,
            name=parsed.database,
            user=parsed.username,
            host=parsed.query.get("host") or parsed.host or "",
            port=parsed.query.get("port") or parsed.port or "",
            broker=redis_url,
        )
    )
    (site / "mails").mkdir()
    return {
        **os.environ,
        "CELERY_BROKER_URL": redis_url,
        "DATABASE_URL": url,
        "DEVELOPMENT_DISTRIBUTED_PROCESSOR_FLOW_MODULES": f"{HERE}.flows",
        "DJANGO_SETTINGS_MODULE": f"{HERE}.settings",
        "MAILS": str(site / "mails"),
        "PRETIX_CONFIG_FILE": str(configuration),
    }


if __name__ == "__main__":
    main(sys.argv[1])
