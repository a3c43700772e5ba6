"""The collector. One reading serves all scrapes within two seconds. If the database cannot be reached, the metric
`processing_queue_up` is 0, and no error is raised."""

import logging
import threading
import time
from collections.abc import Iterable, Iterator

import psycopg
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from queue_store.database.driver_errors import database_errors
from queue_store.database.manager import DatabaseManager
from queue_store.errors import QueueStoreError
from queue_store.readings.counters import CounterReader
from queue_store.redaction import redact
from queue_store.settings import ProcessorSettings, load_processor_settings

from .families import families
from .labels import FlowLabels
from .reading import read_all

logger = logging.getLogger(__name__)

FRESH_SECONDS = 2.0


class QueueCollector(Collector):
    def __init__(self, database: DatabaseManager, settings: ProcessorSettings) -> None:
        self._database = database
        self._settings = settings
        self._counters = CounterReader()
        self._labels = FlowLabels()
        self._lock = threading.Lock()
        self._metrics: list[Metric] = []
        self.read_at = float("-inf")

    def describe(self) -> Iterable[Metric]:
        """Describes no metrics, so that this collector can be registered without the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            if time.monotonic() - self.read_at >= FRESH_SECONDS:
                self._metrics = list(self._read())
                self.read_at = time.monotonic()
            metrics = self._metrics
        yield from metrics

    def _read(self) -> Iterator[Metric]:
        began = time.monotonic()
        up = GaugeMetricFamily("processing_queue_up", "1 while the database answers and has the schema.")
        try:
            read = list(families(read_all(self._database, self._settings, self._counters), self._labels))
        except psycopg.errors.UndefinedTable:
            logger.warning("no metrics: the schema is missing or has another version: run queuectl migrate")
            read = []
        except (QueueStoreError, *database_errors()) as error:  # an error would hide Flower's metrics
            logger.warning("no metrics: %s", redact(str(error)))
            read = []
        up.add_metric([], int(bool(read)))
        seconds = GaugeMetricFamily(
            "processing_queue_scrape_duration_seconds", "How long it took to read these metrics."
        )
        seconds.add_metric([], time.monotonic() - began)
        yield from (up, seconds, *read)


def register_collector(registry: CollectorRegistry = REGISTRY) -> QueueCollector:
    database = DatabaseManager(application_name="queue metrics")
    collector = QueueCollector(database, load_processor_settings())
    registry.register(collector)
    return collector
