"""The URL of a Postgres database, of one server or of several: a primary and its standbys.

Several hosts may be written as SQLAlchemy does, `?host=h1:5432&host=h2:5433`, or as libpq does, `h1:5432,h2:5433`.
Both become `?host=h1,h2&port=5432,5433`, which every library understands. `target_session_attrs=read-write` chooses
the one that takes writes.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

DEFAULT_PORT = "5432"
WRONG_HOSTS = "must name several hosts like postgresql://user@h1:5432,h2:5432/rpa_db"
_HOSTS_IN_FRONT = re.compile(
    r"(?P<scheme>[^:/?]+)://(?P<user>[^@/?]*@|[^@]*@)?(?P<hosts>[^/?@]*,[^/?@]*)(?P<rest>[/?].*)?", re.DOTALL
)
_WITH_PORT = re.compile(r"(?P<host>/[^:]*|[^/:\[\]]*|\[[^\]]*\])(?::(?P<port>\d{1,5})?)?")


def parse_database_url(text: str) -> "URL":
    """Raises ValueError whose message never holds the URL: it may carry a password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    hosts: Sequence[str] = ()
    if match := _HOSTS_IN_FRONT.fullmatch(text):
        hosts = match["hosts"].split(",")
        text = f"{match['scheme']}://{match['user'] or ''}{match['rest'] or ''}"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError("must be a URL like postgresql://user@host:5432/rpa_db") from None
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError("must begin with postgresql://")
    url = url.set(drivername="postgresql+psycopg")
    if hosts and {"host", "port"} & url.query.keys():
        raise ValueError(WRONG_HOSTS)
    return _with_hosts(url, hosts or _hosts_in_query(url))


def addresses(url: "URL") -> str:
    """Where its servers are, for people: `h1:5432, h2:5433`."""
    hosts = str(url.query.get("host") or url.host or "the local socket").split(",")
    ports = str(url.query.get("port") or url.port or DEFAULT_PORT).split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    return ", ".join(f"{host}:{port or DEFAULT_PORT}" for host, port in zip(hosts, ports, strict=False))


def _hosts_in_query(url: "URL") -> Sequence[str]:
    """What `host=` says, however often it comes."""
    given = url.query.get("host", ())
    return given.split(",") if isinstance(given, str) else given


def _with_hosts(url: "URL", hosts: Sequence[str]) -> "URL":
    if len(hosts) < 2 and not any(":" in host for host in hosts):
        return url
    given = url.query.get("port", ())
    ports = given.split(",") if isinstance(given, str) else list(given)
    matches = [_WITH_PORT.fullmatch(host) for host in hosts]
    if url.host or not all(matches) or (ports and any(match and match["port"] for match in matches)):
        raise ValueError(WRONG_HOSTS)
    names = [match["host"].strip("[]") for match in matches if match]
    ports = ports or [match["port"] or DEFAULT_PORT for match in matches if match]
    return url.update_query_dict({"host": ",".join(names), "port": ",".join(ports)})
