import signal
import threading

import click

from .frame import json_option, write_json


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=9808, show_default=True)
@click.option("--address", default="127.0.0.1", show_default=True, help="0.0.0.0 serves every interface.")
@json_option
def metrics_server(port: int, address: str, as_json: bool) -> None:
    """Serve the queue's Prometheus metrics where no Flower runs. Ends at SIGTERM or Ctrl-C."""
    from prometheus_client import CollectorRegistry, start_http_server

    from ..metrics.collector import register_collector

    registry = CollectorRegistry()
    register_collector(registry)
    try:
        server, thread = start_http_server(port, address, registry)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {address}:{port}: {error.strerror}; choose another --port"
        ) from None
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    url = f"http://{address}:{server.server_port}/metrics"
    if as_json:
        write_json({"url": url})
    else:
        click.echo(f"Metrics on {url}")
    ended.wait()
    server.shutdown()
    thread.join()
