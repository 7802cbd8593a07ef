"""Sends the head and the first part of the body of a response by one system call."""

import asyncio

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class ResponseTransport:
    """The transport of one response: holds its head until the body follows, if one will.

    uvicorn writes head and body one after the other, and uvloop sends each at once. A system call
    costs as much as executing a small operation. The head of a stream is not held, since its body
    may take long.

    Args:
        cycle: uvicorn's state of the request.
        transport: of the connection.
    """

    __slots__ = ("_cycle", "_head", "_transport")

    def __init__(self, cycle: RequestResponseCycle, transport: asyncio.Transport) -> None:
        self._cycle: RequestResponseCycle | None = cycle  # until the head is written
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send a part of the response with what is held, or hold it."""
        cycle = self._cycle
        if cycle and cycle.response_started:
            self._cycle = None  # two objects that refer to each other wait for a garbage collection
            if cycle.expected_content_length and cycle.scope["method"] != "HEAD":
                self._head = data
                return
        if self._head:
            data, self._head = self._head + data, b""
        self._transport.write(data)

    def close(self) -> None:
        """Close the connection when everything is sent."""
        if self._head:
            self.write(b"")
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closing or closed."""
        return self._transport.is_closing()
