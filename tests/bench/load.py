"""Requests at a fixed rate: each is sent at its time, however slow the answers are."""

import asyncio
import time
from collections.abc import Iterable

_CONNECTIONS = 32
_TIMEOUT = 30  # seconds


async def ask_at_rate(port: int, requests: Iterable[bytes], *, rate: int) -> list[float]:
    """Send requests to a server, and return the seconds from when each was due to its answer.

    Args:
        port: of the server.
        requests: are sent once each.
        rate: per second.
    """
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection("127.0.0.1", port))
    began = time.perf_counter()

    async def ask(asked: bytes, due: float) -> float:
        reader, writer = await idle.get()
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        idle.put_nowait((reader, writer))
        return time.perf_counter() - due

    async with asyncio.TaskGroup() as group:
        tasks = []
        for number, asked in enumerate(requests):
            due = began + number / rate
            await asyncio.sleep(max(0, due - time.perf_counter()))
            tasks.append(group.create_task(asyncio.wait_for(ask(asked, due), _TIMEOUT)))
    while not idle.empty():
        idle.get_nowait()[1].close()
    return [task.result() for task in tasks]
