"""Who may see and do what.

Flower 2.2 asks for a login only in its API: its pages, with the arguments of tasks, and /metrics are open to whoever
reaches the port, on every interface. With the Queue page in it, a login guards everything but the health check, and
without a login Flower serves this machine only, and nothing can be changed.
"""

import sys
from collections.abc import Sequence
from typing import Any, cast

import tornado.web
from flower.app import Flower
from flower.views import BaseHandler
from flower.views.auth import LoginHandler, LogoutHandler
from flower.views.monitor import Healthcheck

OPEN_TO_ALL = (LoginHandler, LogoutHandler, Healthcheck)
LOGIN_HINT = "start Flower with --basic-auth=NAME:PASSWORD, or with --auth and a provider"


def options_of(handler: BaseHandler) -> Any:
    """Flower's application carries what its command line said."""
    return cast(Flower, handler.application).options


def has_login(options: Any) -> bool:
    return bool(options.basic_auth or options.auth)


def require_login_everywhere() -> None:
    """Of Flower's handlers those of the API have a check of their own, which stays."""

    def prepare(handler: BaseHandler) -> None:
        if not isinstance(handler, OPEN_TO_ALL):
            check_login(handler)

    BaseHandler.prepare = prepare  # type: ignore[method-assign]
    BaseHandler.get_current_user = _without_type_errors(BaseHandler.get_current_user)  # type: ignore[method-assign]


def _without_type_errors(get_current_user: Any) -> Any:
    """Flower compares credentials as texts, which `hmac` refuses where one of them is not ASCII."""

    def current_user(handler: BaseHandler) -> Any:
        try:
            return get_current_user(handler)
        except TypeError:
            raise tornado.web.HTTPError(401) from None

    return current_user


def check_login(handler: BaseHandler) -> None:
    """Raises HTTPError, or redirects to the login page of the provider."""
    options = options_of(handler)
    if not has_login(options):
        _check_host(handler)
    elif not handler.current_user:
        if handler.request.method in ("GET", "HEAD") and "/api/" not in handler.request.path:
            handler.redirect(handler.get_login_url())
        else:
            raise tornado.web.HTTPError(401)


def _check_host(handler: BaseHandler) -> None:
    """A page of another site can give its name our address; its requests still say that name."""
    name = handler.request.host_name
    if not options_of(handler).unix_socket and name not in ("127.0.0.1", "localhost", "::1"):
        raise tornado.web.HTTPError(403, f"Without a login only http://localhost is answered: {LOGIN_HINT}.")


def check_may_act(handler: BaseHandler) -> None:
    """Raises HTTPError with the reason."""
    options = options_of(handler)
    if options.read_only:
        raise tornado.web.HTTPError(403, "Flower runs in read-only mode: nothing can be changed here.")
    if not has_login(options):
        raise tornado.web.HTTPError(
            403, f"Changes need a login, so that the audit knows who did it: {LOGIN_HINT}."
        )


def why_not_act(handler: BaseHandler) -> str:
    """Empty where actions are allowed."""
    try:
        check_may_act(handler)
    except tornado.web.HTTPError as error:
        return error.log_message or "not allowed"
    return ""


def refuse_to_serve_others_without_login(loopback: Sequence[str]) -> None:
    start_http_server = Flower.start_http_server

    def start(application: Flower) -> Any:
        options = application.options
        if not has_login(options) and not options.unix_socket and options.address not in loopback:
            sys.exit(
                f"Flower would show everything to whoever reaches {options.address or 'this machine'}: {LOGIN_HINT}."
            )
        return start_http_server(application)

    Flower.start_http_server = start  # type: ignore[method-assign]
