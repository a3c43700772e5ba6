"""Serves the pages, data, actions and exports over HTTP. SQL runs in threads of our own, never on Flower's event
loop."""

import asyncio
import gzip
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import orjson
import prometheus_client
import psycopg
import tornado.web
from flower.app import Flower
from flower.views import BaseHandler

from queue_store.errors import (
    DatabaseUnavailableError,
    QueueStoreError,
    UnknownFlowError,
    UnknownRecordError,
    UnknownRunError,
)
from queue_store.settings import load_processor_settings

from . import guard
from .actions import Action
from .arguments import Arguments, BadInputError
from .database import CONNECTIONS
from .door import BehindTheDoor
from .export import export
from .views import View, read_view

logger = logging.getLogger(__name__)

T = TypeVar("T")
ACTOR_LENGTH = 255
EXACT = ("group",)  # older releases stored kinds of errors with white space at their ends
COMPRESSED_FROM_BYTES = 5_000  # the data of a thousand flows take 800,000 bytes, or 20,000 bytes compressed
READING_SECONDS = 10.0
SLOW_OR_AWAY = "The database is slow, or cannot be reached. This page tries again automatically."
_threads = ThreadPoolExecutor(max_workers=CONNECTIONS, thread_name_prefix="queue page")


class QueueHandler(BehindTheDoor, BaseHandler):
    scripts = ""

    @property
    def actor(self) -> str:
        """The person who is logged in. With a login provider, the result is the person's e-mail address. With a basic
        login, the result is the name that a proxy sends in its header, or else the name of the login."""
        user = self.current_user
        if isinstance(user, str):
            return user
        header = load_processor_settings().proxy_user_header
        named = self.request.headers.get(header, "") if header else ""
        return named[:ACTOR_LENGTH] or guard.login_name(self) or "unnamed"

    def query(self) -> Arguments:
        names = self.request.query_arguments
        return Arguments({name: self.get_query_argument(name, "", strip=name not in EXACT) for name in names})


class PageHandler(QueueHandler):
    def initialize(self, page: str) -> None:
        self.page = page

    def get(self, subject: str = "") -> None:
        self.render(
            "queue/page.html",
            page=self.page,
            subject=subject,
            why_not_act=guard.why_not_act(self),
            active_tab="queue",
        )


class JsonHandler(QueueHandler):
    """Answers in JSON. An error has the form `{"error": "what is wrong and what to do"}`."""

    async def in_thread(self, work: Callable[[], T], seconds: float | None = None) -> T:
        """`seconds`: the time limit of a reading. An action has no time limit. With a time limit, the answer to an
        action could be an error although the action still happens."""
        try:
            running = asyncio.get_running_loop().run_in_executor(_threads, work)
            return await asyncio.wait_for(running, seconds)
        except TimeoutError as error:
            logger.warning("the page has no data: the database did not answer within %s s", seconds)
            raise tornado.web.HTTPError(503, SLOW_OR_AWAY) from error
        except BadInputError as error:
            raise tornado.web.HTTPError(400, "%s", str(error)) from error
        except (UnknownRecordError, UnknownFlowError, UnknownRunError) as error:
            raise tornado.web.HTTPError(404, "%s", str(error)) from error
        except DatabaseUnavailableError as error:
            logger.warning("the page has no data: %s", error)
            raise tornado.web.HTTPError(503, SLOW_OR_AWAY) from error
        except psycopg.Error as error:
            logger.exception("the page has no data")
            raise tornado.web.HTTPError(
                503,
                "The database refused the statement (%s). Does its schema fit this version? "
                "Run queuectl migrate; Flower's log says more.",
                type(error).__name__,
            ) from error
        except QueueStoreError as error:
            raise tornado.web.HTTPError(409, "%s", str(error)) from error

    def send(self, answer: Any) -> None:
        self.set_header("Content-Type", "application/json")
        body = orjson.dumps(answer, default=str, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
        self.set_header(name="Vary", value="Accept-Encoding")
        if len(body) > COMPRESSED_FROM_BYTES and "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            body = gzip.compress(body, compresslevel=1)
        self.finish(body)

    def write_error(self, status_code: int, **details: Any) -> None:
        error = details.get("exc_info", (None, None, None))[1]
        message = "Something went wrong here; Flower's log says what."
        if isinstance(error, tornado.web.HTTPError):
            message = error.get_message() or f"{status_code}"
        if status_code == 401:
            self.set_header("WWW-Authenticate", 'Basic realm="flower"')
        self.send({"error": message})


class DataHandler(JsonHandler):
    def initialize(self, view: View) -> None:
        self.view = view

    async def get(self) -> None:
        arguments, capp = self.query(), self.capp
        shown = await self.in_thread(lambda: read_view(self.view, arguments, capp), READING_SECONDS)
        if shown.replica_lag_seconds is not None:
            self.set_header("X-Replica-Lag-Seconds", f"{shown.replica_lag_seconds:.1f}")
        self.send(shown.answer)


class ActionHandler(JsonHandler):
    def initialize(self, action: Action) -> None:
        self.action = action

    def check_xsrf_cookie(self) -> None:
        """Flower skips the check of the XSRF cookie for requests that carry a password. This handler checks the cookie
        of every request, because a browser also sends the password when another site causes the request."""
        tornado.web.RequestHandler.check_xsrf_cookie(self)

    async def post(self) -> None:
        arguments, actor = self._body(), self.actor
        self.send(await self.in_thread(lambda: self.action(arguments, actor)))

    def _body(self) -> Arguments:
        try:
            values = json.loads(self.request.body)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise tornado.web.HTTPError(400, "the request must be a JSON object")
        return Arguments(values)


class ExportHandler(JsonHandler):
    async def get(self, form: str) -> None:
        arguments = self.query()
        content = await self.in_thread(lambda: export(arguments, form))
        self.set_header("Content-Type", "text/csv; charset=utf-8" if form == "csv" else "application/json")
        self.set_header("Content-Disposition", f'attachment; filename="records.{form}"')
        self.finish(content)


class MetricsHandler(JsonHandler):
    """Serves Flower's metrics and ours. The metrics are read outside of the event loop, because our collector
    queries the database."""

    async def get(self) -> None:
        cast(Flower, self.application).purge_offline_worker_metrics()
        content = await self.in_thread(prometheus_client.generate_latest, READING_SECONDS)
        self.set_header("Content-Type", prometheus_client.CONTENT_TYPE_LATEST)
        self.finish(content)


class UnknownHandler(QueueHandler):
    def get(self) -> None:
        raise tornado.web.HTTPError(404, "There is no such page of the queue.")

    post = get
