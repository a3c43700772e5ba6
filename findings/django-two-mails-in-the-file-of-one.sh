#!/usr/bin/env bash
# Django 5.2.19: the mail backend that writes files promises a new file for each connection, but two mails may share a
# file. The name of the file consists of the time in seconds and the connection's address in memory. Python may give a
# new object the address of an object that no longer exists, and a forked process has the same addresses as its parent.
# So a test that counts files may count too few mails: sometimes with several workers, and nearly always in a loop. No
# mail is lost, because mails are appended to an existing file. A line of 79 dashes ends each mail.
# Exits with 1 if the behaviour has changed. The script takes about twenty seconds.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check django==5.2.19
mkdir mails
venv/bin/python - "$place/mails" <<'PYTHON'
import sys
from pathlib import Path

import django
from django.conf import settings
from django.core.mail import send_mail

MAILS = 50
settings.configure(
    EMAIL_BACKEND="django.core.mail.backends.filebased.EmailBackend", EMAIL_FILE_PATH=sys.argv[1]
)
django.setup()
for number in range(MAILS):
    send_mail(f"number {number}", "text", "a@example.org", ["b@example.org"])
files = list(Path(sys.argv[1]).iterdir())
mails = sum(file.read_bytes().count(b"\n" + b"-" * 79 + b"\n") for file in files)
print("django", django.__version__)
print(f"{MAILS} mails, a connection for each: {mails} mails in fewer files: {len(files) < MAILS}")
same = mails == MAILS and len(files) < MAILS
print("as described" if same else "CHANGED")
sys.exit(not same)
PYTHON
