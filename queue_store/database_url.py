"""The URL of a Postgres database on one server, or on several: a primary and its standbys.

Several hosts may be written in SQLAlchemy's notation, `?host=h1:5432&host=h2:5433`, or in libpq's, `h1:5432,h2:5433`.
Both notations become `?host=h1,h2&port=5432,5433`, because every library understands this form.
`target_session_attrs=read-write` chooses the server that accepts writes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, quote_plus, unquote

DEFAULT_PORT = "5432"
_DECODED = ("username", "password", "database")
_SECRET_OPTIONS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
WRONG_HOSTS = "must name several hosts like postgresql://user@h1:5432,h2:5432/rpa_db"
_HOSTS_IN_FRONT = re.compile(
    r"(?P<scheme>[^:/?]+)://(?P<user>[^@/?]*@|[^@]*@)?(?P<hosts>[^/?@]*,[^/?@]*)(?P<rest>[/?].*)?", re.DOTALL
)
_URL = re.compile(
    r"""(?P<drivername>[\w+]+)://
    (?:(?P<username>[^:/]*)(?::(?P<password>[^@]*))?@)?
    (?:\[(?P<bracketed>[^/?]+)\]|(?P<host>[^/:?]+))?
    (?::(?P<port>[^/?]*))?
    (?:/(?P<database>[^?]*))?
    (?:\?(?P<query>.*))?""",
    re.VERBOSE | re.DOTALL,
)
_WITH_PORT = re.compile(r"(?P<host>/[^:]*|[^/:\[\]]*|\[[^\]]*\])(?::(?P<port>\d{1,5})?)?")


class Address(Protocol):
    """The parts of a URL that the error messages need. SQLAlchemy's URL has the same parts."""

    @property
    def host(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    @property
    def database(self) -> str | None: ...
    @property
    def password(self) -> object: ...
    @property
    def query(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The parts of a URL, decoded. SQLAlchemy understands the text that `render_as_string` returns."""

    drivername: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int | None = None
    database: str | None = None
    query: Mapping[str, str] = field(default_factory=dict[str, str], hash=False, repr=False)

    def __str__(self) -> str:
        return self.render_as_string()

    def set(self, **parts: Any) -> "DatabaseUrl":
        return replace(self, **parts)

    def render_as_string(self, hide_password: bool = True) -> str:
        text = f"{self.drivername}://"
        if self.username is not None:
            text += quote(self.username, safe=" +")
            if self.password is not None:
                text += ":" + ("***" if hide_password else quote(self.password, safe=" +"))
            text += "@"
        if self.host is not None:
            text += f"[{self.host}]" if ":" in self.host else self.host
        if self.port is not None:
            text += f":{self.port}"
        if self.database is not None:
            text += "/" + quote(self.database, safe=" +/")
        hidden = _SECRET_OPTIONS if hide_password else ()
        options = "&".join(
            f"{quote_plus(name)}={'***' if name in hidden else quote_plus(self.query[name])}"
            for name in sorted(self.query)
        )
        return f"{text}?{options}" if options else text

    def driver_parameters(self) -> dict[str, Any]:
        """The parameters for psycopg's `connect`."""
        parts = {
            "host": self.host,
            "port": self.port,
            "user": self.username,
            "password": self.password,
            "dbname": self.database,
        }
        return {name: part for name, part in parts.items() if part} | dict(self.query)


def parse_database_url(text: str) -> DatabaseUrl:
    """Raises a ValueError whose message never contains the URL, because a URL may contain a password."""
    hosts: Sequence[str] = ()
    if match := _HOSTS_IN_FRONT.fullmatch(text):
        hosts = match["hosts"].split(",")
        text = f"{match['scheme']}://{match['user'] or ''}{match['rest'] or ''}"
    url, options = _parse(text)
    if url.drivername.partition("+")[0] not in ("postgresql", "postgres"):
        raise ValueError("must begin with postgresql://")
    if hosts and {"host", "port"} & options.keys():
        raise ValueError(WRONG_HOSTS)
    hosts = hosts or _listed(options, "host")
    query = {name: ",".join(values) for name, values in options.items()}
    url = url.set(drivername="postgresql+psycopg", query=query)
    return _with_hosts(url, hosts, _listed(options, "port"))


def addresses(url: Address) -> str:
    """The addresses of the URL's servers, as messages show them: `h1:5432, h2:5433`."""
    hosts = str(url.query.get("host") or url.host or "the local socket").split(",")
    ports = str(url.query.get("port") or url.port or DEFAULT_PORT).split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    return ", ".join(f"{host}:{port or DEFAULT_PORT}" for host, port in zip(hosts, ports, strict=False))


def _parse(text: str) -> tuple[DatabaseUrl, dict[str, list[str]]]:
    """The URL without its query, and the options of the query, each with all its values."""
    match = _URL.match(text)
    try:
        if match is None:
            raise ValueError
        port = int(match["port"]) if match["port"] else None
    except ValueError:
        raise ValueError("must be a URL like postgresql://user@host:5432/rpa_db") from None
    options: dict[str, list[str]] = {}
    for name, value in parse_qsl(match["query"] or ""):
        options.setdefault(name, []).append(value)
    if "@" in (match["host"] or ""):
        raise ValueError("must have %40 in place of @ in its user and password")
    decoded: dict[str, Any] = {name: part and unquote(part) for name in _DECODED for part in [match[name]]}
    return DatabaseUrl(
        match["drivername"], host=match["host"] or match["bracketed"], port=port, **decoded
    ), options


def _listed(options: Mapping[str, list[str]], name: str) -> Sequence[str]:
    """The values of `host=` or `port=`, however often the option is repeated."""
    return [part for value in options.get(name, ()) for part in value.split(",")]


def _with_hosts(url: DatabaseUrl, hosts: Sequence[str], ports: Sequence[str]) -> DatabaseUrl:
    if len(hosts) < 2 and not any(":" in host for host in hosts):
        return url
    matches = [_WITH_PORT.fullmatch(host) for host in hosts]
    if url.host or not all(matches) or (ports and any(match and match["port"] for match in matches)):
        raise ValueError(WRONG_HOSTS)
    names = [match["host"].strip("[]") for match in matches if match]
    ports = ports or [match["port"] or DEFAULT_PORT for match in matches if match]
    return url.set(query={**url.query, "host": ",".join(names), "port": ",".join(ports)})
