"""A TCP proxy in front of a Unix socket. It can stall connections so that they are half-open, cut connections in the
middle of a message, and delay messages."""

import asyncio
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

CHUNK_BYTES = 65_536


class Proxy:
    """Runs in a thread of its own. The methods may be called from any thread."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda _loop, _context: None)  # connections are cut on purpose
        self._writers: list[asyncio.StreamWriter] = []
        self._flowing = asyncio.Event()
        self._delay_seconds = 0.0
        self.held_count = 0
        self.delayed_count = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._do(self._listen())

    def stop(self) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def stall(self) -> None:
        """After `stall` has returned, the proxy forwards no data until `flow` is called."""
        self._do(self._stall())

    def flow(self) -> None:
        self._loop.call_soon_threadsafe(self._flowing.set)

    def delay(self, seconds: float) -> None:
        self._delay_seconds = seconds

    def cut(self) -> int:
        """Resets every connection now. Returns how many connections there were."""
        return self._do(self._cut())

    def _do(self, work: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(10)

    async def _stall(self) -> None:
        self._flowing.clear()

    async def _listen(self) -> None:
        self._flowing.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self) -> int:
        writers, self._writers = self._writers, []
        for writer in writers:
            writer.transport.abort()
        return len(writers) // 2

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(str(self.target))
        except OSError:
            writer.transport.abort()
            return
        self._writers += [writer, server_writer]
        await asyncio.gather(self._pump(reader, server_writer), self._pump(server_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                if self._delay_seconds:
                    self.delayed_count += 1
                    await asyncio.sleep(self._delay_seconds)
                self.held_count += not self._flowing.is_set()
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
