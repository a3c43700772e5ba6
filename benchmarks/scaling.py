"""Predicts the throughput of machines that are larger than this one: `python -m benchmarks.scaling`.

The model is mean value analysis of a closed network, in which batches of 100 records circulate. Each batch passes three
stations. The first station is the worker process, which runs the handlers. In this station, no batch waits for another
batch. The second station is the server's CPU: Seidmann's approximation replaces its cores by one fast queue and a
delay. The third station is the flush of the log, with one queue. Commits that arrive at the same time share a flush.
"""

from dataclasses import dataclass

BATCH_RECORDS = 100
PROCESSES_PER_CONTAINER = 2
LOG_BYTES_PER_RECORD = 2_200  # docs/performance.md explains this and the next two figures
SERVER_MS_PER_BATCH = 3.1
WORKER_MS_PER_BATCH = 0.8
FLUSH_MS = 1.0
COMMITS_PER_FLUSH = 4.0


@dataclass(frozen=True, slots=True)
class Prediction:
    records_per_second: float
    server_busy_percent: float
    log_megabytes_per_second: float
    connections: int


def predict(containers: int, server_cores: int, handler_ms: float) -> Prediction:
    processes = containers * PROCESSES_PER_CONTAINER
    server_queue = SERVER_MS_PER_BATCH / server_cores
    flush_queue = FLUSH_MS / COMMITS_PER_FLUSH
    elsewhere = (
        WORKER_MS_PER_BATCH
        + handler_ms * BATCH_RECORDS
        + SERVER_MS_PER_BATCH * (server_cores - 1) / server_cores
        + FLUSH_MS
    )
    at_server = at_flush = batches_per_ms = 0.0
    for present in range(1, processes + 1):
        server_wait, flush_wait = server_queue * (1 + at_server), flush_queue * (1 + at_flush)
        batches_per_ms = present / (elsewhere + server_wait + flush_wait)
        at_server, at_flush = batches_per_ms * server_wait, batches_per_ms * flush_wait
    records = batches_per_ms * BATCH_RECORDS * 1000
    return Prediction(
        records_per_second=records,
        server_busy_percent=100 * batches_per_ms * server_queue,
        log_megabytes_per_second=records * LOG_BYTES_PER_RECORD / 1e6,
        connections=2 * processes,  # one for the run, one for the heartbeat
    )


def main() -> None:
    print("| containers | server cores | handler | records/s | server busy | log MB/s | connections |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for handler_ms in (0.0, 5.0):
        for cores in (2, 8, 32):
            for containers in (4, 16, 64):
                p = predict(containers, cores, handler_ms)
                print(
                    f"| {containers} | {cores} | {handler_ms:g} ms | {p.records_per_second:,.0f} "
                    f"| {p.server_busy_percent:.0f} % | {p.log_megabytes_per_second:.1f} | {p.connections} |"
                )


if __name__ == "__main__":
    main()
