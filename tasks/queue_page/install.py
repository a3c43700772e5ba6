"""Adds the page to Flower, even if Flower is started by `celery -A processing_queue flower`."""

import functools
import sys
from typing import Any


def install_in_flower_command() -> None:
    """Make Flower's command install the page. Celery's command line loads Flower's command before our application.
    If the program has not loaded Flower's command, do nothing."""
    module = sys.modules.get("flower.command")
    command = getattr(module, "flower", None)
    if command is None or getattr(command.callback, "has_queue_page", False):
        return
    command.callback = _with_queue_page(command.callback)


def _with_queue_page(start: Any) -> Any:
    @functools.wraps(start)
    def start_with_queue_page(*args: Any, **options: Any) -> Any:
        install()
        return start(*args, **options)

    start_with_queue_page.has_queue_page = True  # type: ignore[attr-defined]
    return start_with_queue_page


def install() -> None:
    """Adds the Queue page, the guard of all pages and our metrics to Flower. Call this once in a process,
    before Flower's application is built."""
    import flower.urls
    from flower.options import options

    from ..metrics.collector import register_collector
    from .door import install_door
    from .navigation import PageLoader
    from .urls import page_urls

    flower.urls.handlers[:0] = page_urls()
    flower.urls.settings["template_loader"] = PageLoader()
    options.address = "127.0.0.1"  # Flower's own default is every interface
    install_door(flower.urls.handlers, flower.urls.settings)
    register_collector()
