"""Who may see and do what.

Flower 2.2 asks for a login only in its API. Its pages, with the arguments of tasks, and /metrics are open to
everybody who reaches the port, on every interface. With the Queue page, a login guards everything except the health
check, and files that are the same for all users. If no login is configured, Flower serves this machine only, and
nothing can be changed.
"""

from base64 import b64decode
from typing import Any

import tornado.web

LOGIN_HINT = "set FLOWER_BASIC_AUTH=NAME:PASSWORD in Flower's environment, or use --auth and a provider"


def options_of(handler: Any) -> Any:
    """The options of Flower's command line. The application carries them."""
    return handler.application.options


def has_login(options: Any) -> bool:
    return bool(options.basic_auth or options.auth)


def check_login(handler: Any) -> None:
    """Raises HTTPError, or redirects to the login page of the provider."""
    options = options_of(handler)
    if not has_login(options):
        _check_host(handler)
    elif not _user(handler):
        if handler.request.method in ("GET", "HEAD") and "/api/" not in handler.request.path:
            handler.redirect(handler.get_login_url())
        else:
            raise tornado.web.HTTPError(401)


def login_name(handler: Any) -> str:
    """The name of the basic login that was accepted. Empty if there was none."""
    _, _, credentials = handler.request.headers.get("Authorization", "").partition(" ")
    try:
        return b64decode(credentials).decode().partition(":")[0]
    except ValueError:
        return ""


def _user(handler: Any) -> Any:
    """Flower compares credentials as texts with `hmac`. The comparison raises TypeError if one of the texts is not
    ASCII."""
    try:
        return handler.current_user
    except TypeError:
        raise tornado.web.HTTPError(401) from None


def _check_host(handler: Any) -> None:
    """Without a login, refuses requests to other host names than this machine's own. Another site can point its host
    name to our address (DNS rebinding), but its requests still carry that name."""
    name = handler.request.host_name
    if not options_of(handler).unix_socket and name not in ("127.0.0.1", "localhost", "::1"):
        raise tornado.web.HTTPError(403, f"Without a login only http://localhost is answered: {LOGIN_HINT}.")


def check_may_act(handler: Any) -> None:
    """Raises HTTPError with the reason."""
    options = options_of(handler)
    if options.read_only:
        raise tornado.web.HTTPError(403, "Flower runs in read-only mode: nothing can be changed here.")
    if not has_login(options):
        raise tornado.web.HTTPError(
            403, f"Changes need a login, so that the audit knows who did it: {LOGIN_HINT}."
        )


def why_not_act(handler: Any) -> str:
    """The reason why actions are refused. Empty if they are allowed."""
    try:
        check_may_act(handler)
    except tornado.web.HTTPError as error:
        return error.log_message or "not allowed"
    return ""
