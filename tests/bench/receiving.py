"""Servers with webhooks, each on a database of its own, and receivers beside the bench."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench import data, fleet
from tests.bench.bench import Bench
from tests.bench.measure import Server
from tests.bench.parts.process import ANONYMOUS
from tests.support import receivers
from tests.support.receivers import Receiver

_BACKLOG = 64  # connections that the kernel accepts for the silent receiver


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver that accepts everything, in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = receivers.receiving()
    try:
        yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def silent() -> Iterator[str]:
    """Return the URL of a receiver that never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hooks"


@contextmanager
def serving(bench: Bench, database: str, *, webhook_urls: str) -> Iterator[Server]:
    """Run a server on a database of this bench."""
    url = bench.url_of(database)
    given = fleet.environment(bench.secret, DATABASE_URL=url, WEBHOOK_URLS=webhook_urls)
    with fleet.running("ours", given, ready=ANONYMOUS, folder=bench.folder) as server:
        yield server


def create_database(bench: Bench, name: str) -> str:
    """Make a database with 10,000 clients, and return a token of one who invited 10."""
    data.create_database(bench.url, name)
    return bench.token_of(bench.fill(bench.url_of(name), [10, 10_000])[10])
