"""A light client: it shares its CPU with the database, and must not be what is measured."""

import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

_TIMEOUT = 30  # seconds
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


class WrongAnswerError(Exception):
    """A server did not answer what it has to."""


class Connections:
    """Keep-alive connections to one server, each with one request on its way at a time."""

    def __init__(self, port: int, count: int) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(count)]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Close them all."""
        for each in self._sockets:
            each.close()

    def ask(
        self, requests: Iterator[bytes], count: int, is_right: Callable[[bytes], bool]
    ) -> list[float]:
        """Send requests, and return the seconds that each took.

        Raises:
            WrongAnswerError: an answer is not 200, or `is_right` does not take its body.
        """
        waiting = islice(requests, count)
        by_number = {each.fileno(): each for each in self._sockets}
        received = dict.fromkeys(by_number, b"")
        sent: dict[int, float] = {}
        took: list[float] = []

        def send(number: int) -> None:
            if asked := next(waiting, None):
                received[number] = b""
                sent[number] = time.perf_counter()
                by_number[number].sendall(asked)

        with select.epoll() as poll:
            for number in by_number:
                poll.register(number, select.EPOLLIN)
                send(number)
            while sent:
                for number in _readable(poll):
                    received[number] += by_number[number].recv(1 << 18) or b"\0"
                    if (body := _body(received[number])) is not None:
                        took.append(time.perf_counter() - sent.pop(number))
                        if not is_right(body):
                            raise WrongAnswerError(body[:2000])
                        send(number)
        return took


@contextmanager
def connected(port: int, count: int) -> Iterator[Connections]:
    """Keep connections open until the context ends."""
    connections = Connections(port, count)
    try:
        yield connections
    finally:
        connections.close()


def request(path: str, body: bytes, *, token: str | None = None) -> bytes:
    """Write a POST request."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Accept: application/json",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *([f"Authorization: Bearer {token}"] if token else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ask_once(port: int, asked: bytes) -> bytes:
    """Send one request on a connection of its own; return the body of the answer."""
    bodies: list[bytes] = []

    def keep(body: bytes) -> bool:
        bodies.append(body)
        return True

    with connected(port, 1) as connection:
        connection.ask(iter([asked]), 1, keep)
    return bodies[0]


def _readable(poll: select.epoll) -> list[int]:
    events = poll.poll(_TIMEOUT)
    if not events:
        raise WrongAnswerError(f"no answer within {_TIMEOUT} s")
    return [number for number, _ in events]


def _body(received: bytes) -> bytes | None:
    """Find the body of an answer; None while some of it is missing."""
    head, _, rest = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise WrongAnswerError(received[:2000])
    if head == received:
        return None
    if found := _LENGTH.search(head):
        return rest if len(rest) == int(found[1]) else None
    return _joined(rest) if rest.endswith(b"0\r\n\r\n") else None


def _joined(chunks: bytes) -> bytes:
    body = b""
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        length = int(size, 16)
        body, chunks = body + chunks[:length], chunks[length + 2 :]
    return body
