"""Posts JSON to a URL that an operator configured, and prevents requests to our own network.

The host name is resolved only once. The resulting address is checked, and the connection goes to exactly this address.
Plain http and private addresses are refused, unless the host is listed in WEBHOOK_HOSTS. Redirects are not followed.
"""

import http.client
import ipaddress
import json
import socket
import ssl
import threading
from contextlib import suppress
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 5.0
ANSWER_SECONDS = 10.0  # for the whole status and headers, even if their bytes arrive slowly
# IPv6 networks whose addresses contain an IPv4 address, and the byte where the IPv4 address begins. The IPv4 address
# is checked, because a gateway would connect us to it.
TRANSLATED = (
    (ipaddress.ip_network("::ffff:0:0/96"), 12),
    (ipaddress.ip_network("::/96"), 12),
    (ipaddress.ip_network("64:ff9b::/96"), 12),
    (ipaddress.ip_network("2002::/16"), 2),
)
# The networks of Teredo, and of local-use IPv4/IPv6 translation, which differs from site to site. Addresses in these
# networks are refused, because nobody can know where they lead.
UNKNOWN = (ipaddress.ip_network("2001::/32"), ipaddress.ip_network("64:ff9b:1::/48"))


class Webhook:
    def __init__(self, url: str, allowed_hosts: tuple[str, ...] = ()) -> None:
        try:
            self._parts = urlsplit(url)
            self.host = self._parts.hostname or ""
        except ValueError:  # such as https://[1, which `post` refuses
            self._parts, self.host = urlsplit(""), ""
        self._is_allowed = self.host in allowed_hosts

    def post(self, document: object) -> None:
        """Raises OSError or ValueError. The text of the error contains no secret."""
        body = json.dumps(document).encode()
        connection = self._connection(self._address())
        try:
            connection.request(
                "POST",
                self._path(),
                body,
                {"Content-Type": "application/json", "Host": self._parts.netloc.rpartition("@")[2]},
            )
            status = self._status(connection)
        except http.client.HTTPException as error:
            raise OSError(f"no valid HTTP answer ({type(error).__name__})") from None
        finally:
            connection.close()
        if not 200 <= status < 300:
            raise OSError(f"answered {status}")

    def _status(self, connection: http.client.HTTPConnection) -> int:
        """The status of the answer. If the status has not arrived after ANSWER_SECONDS, the connection is shut down,
        even if single bytes still arrive."""
        plain = connection.sock
        timer = threading.Timer(ANSWER_SECONDS, _shut, [plain])
        timer.daemon = True
        timer.start()
        try:
            return connection.getresponse().status
        finally:
            timer.cancel()

    def _address(self) -> tuple[str, int]:
        if not self.host or self._parts.scheme not in ("http", "https"):
            raise ValueError("not the URL of a webhook: it must look like https://host/path")
        if self._parts.scheme == "http" and not self._is_allowed:
            raise ValueError("plain http: use https, or list the host in WEBHOOK_HOSTS")
        port = self._parts.port or (443 if self._parts.scheme == "https" else 80)
        found = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM)
        address = str(found[0][4][0])
        if not self._is_allowed and not _is_public(address):
            raise ValueError("a private address: list the host in WEBHOOK_HOSTS if this address is intended")
        return address, port

    def _connection(self, address: tuple[str, int]) -> http.client.HTTPConnection:
        plain = socket.create_connection(address, TIMEOUT_SECONDS)
        connection = http.client.HTTPConnection(self.host, address[1], timeout=TIMEOUT_SECONDS)
        connection.sock = plain
        if self._parts.scheme == "https":
            try:
                connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)
            except OSError:
                plain.close()
                raise
        return connection

    def _path(self) -> str:
        return (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if any(ip in network for network in UNKNOWN):
            return False
        for network, start in TRANSLATED:
            if ip in network:
                ip = ipaddress.IPv4Address(ip.packed[start : start + 4])
                break
    return ip.is_global and not ip.is_multicast
