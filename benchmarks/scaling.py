"""Beyond this machine, by calculation: `python -m benchmarks.scaling`.

Mean value analysis of a closed network. Each worker process goes round: its own CPU and the handlers (nobody waits for
anybody there), the server's CPU (a queue for each core, after Seidmann), and the log's flush (one queue, in which
commits that arrive together share a flush). A batch of 100 records goes round.
"""

from dataclasses import dataclass

BATCH_RECORDS = 100
PROCESSES_PER_CONTAINER = 2
LOG_BYTES_PER_RECORD = 1_700  # see docs/performance.md for these three
SERVER_MS_PER_BATCH = 3.4
WORKER_MS_PER_BATCH = 1.7
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
        connections=2 * processes,  # the run's and the heartbeat's
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
