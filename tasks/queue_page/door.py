"""One check before everything that Flower serves: pages, API, metrics, files, and anything that a newer Flower adds.
This check is called the door."""

import inspect
import logging
import os
from typing import Any

import tornado.web
from celery.utils.imports import symbol_by_name
from flower.app import Flower
from flower.utils import strtobool
from flower.views.auth import LoginHandler, LogoutHandler
from flower.views.error import NotFoundErrorHandler
from flower.views.monitor import Healthcheck
from tornado.routing import URLSpec
from tornado.web import StaticFileHandler

from . import guard
from .bounded_server import bounded_server
from .wrong_logins import WrongLogins

logger = logging.getLogger(__name__)

OPEN_TO_ALL = (LogoutHandler, Healthcheck, StaticFileHandler)  # LoginBehindTheDoor is also open
LOOPBACK = ("127.0.0.1", "localhost", "::1")
READING = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'{scripts}; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_wrong_logins = WrongLogins()


class BehindTheDoor(tornado.web.RequestHandler):
    """This is the first base class of our handlers, and of the subclasses that replace Flower's handlers
    (`guarded`)."""

    scripts = " 'unsafe-inline'"  # one of Flower's pages has an inline script
    is_open = False

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.clear_header("Access-Control-Allow-Origin")
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", POLICY.format(scripts=self.scripts))
        if not isinstance(self, StaticFileHandler):
            self.set_header("Cache-Control", "no-store")

    async def prepare(self) -> None:
        if not self.is_open:
            await self._check()
        if self._finished:
            return
        before = super().prepare()
        if inspect.isawaitable(before):
            await before

    def write_error(self, status_code: int, **details: Any) -> None:
        """Answers an error of the server (500) with one line of text. Flower's own method would show the traceback,
        and the settings of the process, to anybody."""
        if status_code != 500:
            super().write_error(status_code, **details)
        elif not self._finished:
            self.set_header("Content-Type", "text/plain; charset=UTF-8")
            self.finish("Something went wrong here; Flower's log says what.")

    async def _check(self) -> None:
        try:
            guard.check_login(self)
        except tornado.web.HTTPError as error:
            if error.status_code == 401 and self.request.headers.get("Authorization"):
                await _wrong_logins.delay(self.request.remote_ip or "an unknown address")
            raise
        if self.request.method not in READING:
            guard.check_may_act(self)


def install_door(handlers: list[Any], settings: dict[str, Any]) -> None:
    """Puts this module's access checks in front of all handlers of Flower. Call this before Flower's application is
    built."""
    handlers[:] = [_behind_the_door(entry) for entry in handlers]
    settings["static_handler_class"] = guarded(StaticFileHandler)
    settings["xsrf_cookie_kwargs"] = {"samesite": "Strict"}
    Flower.start_http_server = _start_http_server  # type: ignore[method-assign]


def _behind_the_door(entry: Any) -> Any:
    if isinstance(entry, URLSpec):
        entry.target = entry.handler_class = guarded(entry.handler_class)
        return entry
    pattern, handler_class, *rest = entry
    return (pattern, guarded(handler_class), *rest)


def guarded(handler_class: Any) -> type:
    if issubclass(handler_class, BehindTheDoor):
        return handler_class
    if issubclass(handler_class, LoginHandler):
        return LoginBehindTheDoor
    is_open = issubclass(handler_class, OPEN_TO_ALL)
    return _with_door(handler_class, is_open=is_open)


def _with_door(handler_class: Any, *, is_open: bool) -> type:
    said = {"__module__": handler_class.__module__, "is_open": is_open}
    return type(handler_class.__name__, (BehindTheDoor, handler_class), said)


class LoginBehindTheDoor(LoginHandler):
    """Creates a request handler of the login provider's class, as Flower's LoginHandler does, but with the headers of
    BehindTheDoor. This handler needs no login."""

    def __new__(cls, application: Any, *arguments: Any, **details: Any) -> Any:
        provider = symbol_by_name(application.options.auth_provider or NotFoundErrorHandler)
        return _with_door(provider, is_open=True)(application, *arguments, **details)


def _start_http_server(application: Flower) -> int | None:
    """Starts Flower's server, or ends the process if others could use Flower without a login."""
    options = application.options
    if not guard.has_login(options):
        if not options.unix_socket and options.address not in LOOPBACK:
            where = options.address or "this machine"
            raise SystemExit(
                f"Flower would show everything to anybody who reaches {where}: {guard.LOGIN_HINT}."
            )
        if strtobool(os.environ.get("FLOWER_UNAUTHENTICATED_API") or "false"):
            raise SystemExit(
                "FLOWER_UNAUTHENTICATED_API would let every page in a browser of this machine run tasks: unset it, "
                f"or {guard.LOGIN_HINT}."
            )
    return bounded_server(application)
