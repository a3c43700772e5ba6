#!/usr/bin/env bash
# Pydantic 2.14.4: the JSON Schema of `SecretStr` says `"writeOnly": true`, but the schema of `Secret[str]` looks like
# that of a plain string. Both write asterisks as JSON, and both accept these asterisks when they read the JSON again.
# So a program that looks for `writeOnly` to refuse what cannot be stored misses `Secret[str]`. The secret is then lost
# without an error.
# Exits with 1 if the behaviour has changed. The script takes a few seconds.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check pydantic==2.14.4
venv/bin/python - <<'PYTHON'
from pydantic import BaseModel, Secret, SecretStr


class Old(BaseModel):
    token: SecretStr


class New(BaseModel):
    token: Secret[str]


seen = {}
for model in (Old, New):
    schema = model.model_json_schema()["properties"]["token"]
    written = model(token="a-value").model_dump_json()
    read = model.model_validate_json(written).token.get_secret_value()
    seen[model.__name__] = ("writeOnly" in schema, written, read)
    print(model.__name__, schema, written, "read as", read)
written = '{"token":"**********"}'
assert seen == {"Old": (True, written, "**********"), "New": (False, written, "**********")}, seen
PYTHON
