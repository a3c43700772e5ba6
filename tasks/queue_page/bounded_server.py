"""Flower's HTTP server with bounds. By default, Tornado accepts a request of 100 MB without a login, and waits up to
an hour for the rest of a line."""

from flower.app import Flower
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets, bind_unix_socket

from ..long_lived import keep_what_is_loaded

BODY_BYTES = 1_048_576
HEADER_BYTES = 32_768
HEADER_SECONDS = 10.0  # also the longest pause between two requests over one connection
BODY_SECONDS = 10.0
SOCKET_OF_ALL, SOCKET_OF_THE_GROUP = 0o777, 0o660


def bounded_server(application: Flower) -> int | None:
    """Starts Flower's server on the socket file that Flower's options name, or else on their address and port. Returns
    the port, or None for a socket file. If no login is configured, only the owner and the group of the socket file may
    use it."""
    keep_what_is_loaded()
    options = application.options
    server = HTTPServer(
        application,
        ssl_options=None if options.unix_socket else application.ssl_options,
        xheaders=bool(options.xheaders) and not options.unix_socket,
        max_body_size=BODY_BYTES,
        max_buffer_size=2 * BODY_BYTES,
        max_header_size=HEADER_BYTES,
        idle_connection_timeout=HEADER_SECONDS,
        body_timeout=BODY_SECONDS,
    )
    if options.unix_socket:
        mode = SOCKET_OF_ALL if options.basic_auth or options.auth else SOCKET_OF_THE_GROUP
        server.add_socket(bind_unix_socket(options.unix_socket, mode=mode))
        return None
    sockets = bind_sockets(options.port, address=options.address)
    server.add_sockets(sockets)
    return sockets[0].getsockname()[1]
