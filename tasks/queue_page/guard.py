"""Decides who may see Flower's pages, and who may change something.

Flower 2.2 asks for a login only in its API. Flower's pages and /metrics are open to everybody who reaches the port, on
every interface. The pages show the arguments of tasks. With the Queue page, everything needs a login, except the health
check, the login and logout pages, and files that are the same for all users. If no login is configured, Flower serves
this machine only, and nothing can be changed.
"""

from base64 import b64decode
from typing import Any

import tornado.web

LOGIN_HINT = "set FLOWER_BASIC_AUTH=NAME:PASSWORD in Flower's environment, or use --auth and a provider"


def options_of(handler: Any) -> Any:
    return handler.application.options


def has_login(options: Any) -> bool:
    return bool(options.basic_auth or options.auth)


def check_login(handler: Any) -> None:
    """If the request must not be answered, raises HTTPError or redirects to the login page."""
    options = options_of(handler)
    if not has_login(options):
        _check_host(handler)
    elif not _user(handler):
        if handler.request.method in ("GET", "HEAD") and "/api/" not in handler.request.path:
            handler.redirect(handler.get_login_url())
        else:
            raise tornado.web.HTTPError(401)


def login_name(handler: Any) -> str:
    """Returns the name in the request's basic login, which has already been accepted. Returns "" if there is no basic
    login."""
    _, _, credentials = handler.request.headers.get("Authorization", "").partition(" ")
    try:
        return b64decode(credentials).decode().partition(":")[0]
    except ValueError:
        return ""


def _user(handler: Any) -> Any:
    """Returns the user, or None if nobody is logged in. Raises HTTPError for a wrong login. A login that is not ASCII
    counts as wrong: Flower compares logins with `hmac`, which raises TypeError for such a login."""
    try:
        return handler.current_user
    except TypeError:
        raise tornado.web.HTTPError(401) from None


def _check_host(handler: Any) -> None:
    """If no login is configured, a request must go to `localhost`, `127.0.0.1` or `::1`, or come over a Unix socket.
    Another site can point its host name to our address (DNS rebinding), but its requests still carry that name."""
    name = handler.request.host_name
    if not options_of(handler).unix_socket and name not in ("127.0.0.1", "localhost", "::1"):
        raise tornado.web.HTTPError(
            403, f"Without a login, Flower only answers http://localhost: {LOGIN_HINT}."
        )


def check_may_act(handler: Any) -> None:
    """If actions are not allowed, raises HTTPError with the reason."""
    options = options_of(handler)
    if options.read_only:
        raise tornado.web.HTTPError(403, "Flower runs in read-only mode: nothing can be changed here.")
    if not has_login(options):
        raise tornado.web.HTTPError(
            403, f"Changes need a login, so that the audit log names who made them: {LOGIN_HINT}."
        )


def why_not_act(handler: Any) -> str:
    """Returns the reason why actions are refused, or "" if they are allowed."""
    try:
        check_may_act(handler)
    except tornado.web.HTTPError as error:
        return error.log_message or "not allowed"
    return ""
