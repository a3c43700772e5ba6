"""In a real worker process, one trace leads from the producer through the hint to the run, and to the attempt. The
spans are sent before the process ends."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.workers.conftest import Queue
from tests.workers.processes import REGISTERED, ROOT, running_worker, wait_until, with_prefix

pytest.importorskip("opentelemetry.sdk", reason="the extra `tracing` is not installed")

PRODUCER = """
from celery import Celery
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from queue_store.distributed_processor import DistributedProcessor
from queue_store.enqueueing.hints import CeleryHintSender
import os

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
app = Celery("upstream", broker=os.environ["CELERY_BROKER_URL"])
queue = DistributedProcessor(hint_sender=CeleryHintSender(app))
with trace.get_tracer("shop").start_as_current_span("order placed"):
    queue.enqueue(FLOW, {"n": 1}, correlation_id="order-4711")
"""


class Collector:
    """Receives and keeps the spans that OpenTelemetry's exporters send."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.take(self.rfile.read(int(self.headers["Content-Length"])), self.headers)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, body: bytes, headers: Any) -> None:
        import gzip

        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        request = ExportTraceServiceRequest()
        request.ParseFromString(gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def settings(self) -> dict[str, str]:
        """With these settings, a worker sends its spans only when it ends, or when something flushes them."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def named(self, name: str) -> Any:
        (span,) = [span for span in self.spans if span.name == name]
        return span


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


@pytest.mark.parametrize("flow_name", ["quick", "patient"])
def test_one_trace_leads_from_the_producer_to_the_attempt(
    flow_name: str, queue: Queue, settings_environment: dict[str, str], collector: Collector, log: Path
) -> None:
    environment = settings_environment | collector.settings()
    settings = {"TRACING": "true", "IDLE_POLL_SECONDS": "60", "LOG_FORMAT": "json"}
    with running_worker(environment, log, concurrency=1, settings=settings) as worker:
        wait_until(lambda: queue.value(REGISTERED) == 1, "the child to be registered", log)
        produce(flow_name, environment)
        wait_until(lambda: queue.counts() == {"completed": 1}, "the record", log)
        assert not [span for span in collector.spans if span.name.startswith("run ")]
        assert worker.terminate() == 0
    placed, enqueued = collector.named("order placed"), collector.named(f"enqueue {flow_name}")
    hint, run, attempt = (collector.named(f"{what} {flow_name}") for what in ("hint", "run", "process"))
    assert {span.trace_id for span in (enqueued, hint, run, attempt)} == {placed.trace_id}
    assert enqueued.parent_span_id == placed.span_id
    assert attempt.parent_span_id == hint.parent_span_id == enqueued.span_id
    assert run.parent_span_id == hint.span_id
    assert [link.span_id for link in attempt.links] == [run.span_id]
    assert run.start_time_unix_nano < attempt.start_time_unix_nano < run.end_time_unix_nano
    assert queue.value("SELECT trace_context FROM processing_queue").split("-")[2] == enqueued.span_id.hex()


@pytest.mark.long
def test_a_collector_that_is_away_does_not_keep_a_worker_from_ending(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    with running_worker(
        settings_environment | away, log, concurrency=1, settings={"TRACING": "true", "LOG_FORMAT": "json"}
    ) as worker:
        queue.insert("quick", 3)
        wait_until(lambda: queue.counts() == {"completed": 3}, "the records", log)
        assert worker.terminate(20) == 0
    for line in log.read_text().splitlines():
        if line.startswith("{"):
            json.loads(line)


def produce(flow_name: str, environment: dict[str, str]) -> None:
    program = f"FLOW = {flow_name!r}\n{PRODUCER}"
    subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=os.environ | environment | with_prefix({}), check=True
    )
