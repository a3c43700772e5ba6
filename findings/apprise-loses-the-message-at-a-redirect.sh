#!/usr/bin/env bash
# Apprise 2.3.0: if the URL of a contact redirects (301, 302 or 303), the message is lost, but notify() reports success.
# The message goes to the first address by POST. The `requests` library follows the redirect with a GET that has no
# body, and the answer to that GET counts as delivery. With `?redirect=no` in the contact's URL, redirects are not
# followed, and notify() reports a failure.
# Exits with 1 if the behaviour has changed. The script takes about twenty seconds.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check apprise==2.3.0
venv/bin/python - <<'PYTHON'
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import apprise

heard = []


class Moved(BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        heard.append((self.command, self.path, len(body)))
        self.send_response(302 if self.path == "/old" else 200)
        if self.path == "/old":
            self.send_header("Location", "/new")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Moved)
threading.Thread(target=server.serve_forever, daemon=True).start()


def notify(options):
    heard.clear()
    contact = apprise.Apprise()
    contact.add(f"json://127.0.0.1:{server.server_port}/old{options}")
    return bool(contact.notify("the queue is down")), [(command, path, size > 0) for command, path, size in heard]


followed, refused = notify(""), notify("?redirect=no")
print("apprise", apprise.__version__)
print("by default:     notify() is", followed[0], "and the server heard (method, path, has a body):", followed[1])
print("?redirect=no:   notify() is", refused[0], "and the server heard:", refused[1])
same = followed == (True, [("POST", "/old", True), ("GET", "/new", False)])
same = same and refused == (False, [("POST", "/old", True)])
print("as described" if same else "CHANGED")
sys.exit(not same)
PYTHON
