#!/usr/bin/env bash
# orjson 3.13.0 refuses to write an integer of more than 64 bits, but silently rounds such an integer to a float when it
# reads one. Python's own json reads the integer exactly. So a service that reads an id with orjson and passes it on
# changes the id. Postgres can turn such a float into such an integer: jsonb keeps 1e20, a float that orjson wrote, as
# an integer of 21 digits.
# Exits with 1 if the behaviour has changed. The script takes about ten seconds.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check orjson==3.13.0
venv/bin/python - <<'PYTHON'
import json
import sys

import orjson

number = 2**64 + 1
text = json.dumps({"id": number})
try:
    written = orjson.dumps({"id": number}).decode()
except TypeError as error:
    written = f"{type(error).__name__}: {error}"
read = orjson.loads(text)["id"]
print("orjson", orjson.__version__)
print("the document:", text)
print("orjson.dumps:", written)
print("orjson.loads:", repr(read))
print("json.loads:  ", json.loads(text)["id"])
print("passed on:   ", orjson.dumps({"id": read}).decode())
same = written.startswith("TypeError") and read == float(2**64) and type(read) is float
same = same and json.loads(text)["id"] == number
print("as described" if same else "CHANGED")
sys.exit(not same)
PYTHON
