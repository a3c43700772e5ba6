#!/usr/bin/env bash
# Django 5.2.19: the mail backend that writes files promises a new file for each connection, and two mails may share one. The
# name is made of the second and of the connection's address in memory. Python gives the address of an object that has
# ended to the next one, and a forked process has the addresses of its parent. So a test that counts files counts too few
# mails, now and then from workers, nearly always from a loop. No mail is lost: files are appended to, and a line of 79
# dashes ends each mail.
# Exit 1: the behaviour has changed. Takes about twenty seconds.
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
