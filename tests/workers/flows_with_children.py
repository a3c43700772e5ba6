"""A flow whose handler starts a process with `multiprocessing`, in the way that the payload names."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from tasks import flow


@flow(max_retries=0)
def starts(payload: Any) -> list[int]:
    context: Any = multiprocessing.get_context(payload["method"])
    if payload["kind"] == "process":
        process = context.Process(target=abs, args=(-1,))
        process.start()
        process.join()
        return [process.exitcode + 1]
    if payload["kind"] == "pool":
        with context.Pool(1) as pool:
            return list(pool.map(abs, [-1]))
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return list(executor.map(abs, [-1]))
