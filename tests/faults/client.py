"""A client that knows what it was answered, what it was not, and how long it took."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

LONGEST = 15  # seconds an answer may take
_PATIENCE = 40  # seconds until a client gives up, which is a finding


class UnknownError(Exception):
    """There is no response, or SERVICE_UNAVAILABLE: the operation may have been executed or not."""


class UnauthenticatedError(Exception):
    """The bearer token was refused."""


@dataclass
class Record:
    """The outcomes of all requests."""

    answers: list[tuple[float, float, str]] = field(default_factory=list)  # end, seconds, outcome
    told: list[tuple[float, float]] = field(default_factory=list)  # when, and seconds later than so
    unsent: list[float] = field(default_factory=list)  # when requests for codes failed
    wrong: list[str] = field(default_factory=list)

    def note(self, began: float, outcome: str) -> None:
        now = time.monotonic()
        self.answers.append((now, now - began, outcome))
        if now - began > LONGEST:
            self.wrong.append(f"an answer took {now - began:.1f} s ({outcome})")

    def between(self, start: float, end: float) -> Iterator[tuple[float, str]]:
        """Return seconds and outcome of the responses in this time."""
        return ((took, outcome) for at, took, outcome in self.answers if start <= at < end)


class Connection:
    """A keep-alive connection to one of several servers; if it fails, the next one is used."""

    def __init__(self, ports: list[int], record: Record, *, first: int) -> None:
        self.record = record
        self._ports, self._turn = ports, first
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, query: str, *, address: str, token: str | None = None, **variables: Any
    ) -> Any:
        """Send an operation of one field, and give what that is.

        Raises:
            UnknownError, UnauthenticatedError
        """
        began = time.monotonic()
        body = json.dumps({"query": query, "variables": variables}).encode()
        try:
            async with asyncio.timeout(_PATIENCE):
                status, headers, answer = await self._exchange(_request(body, address, token))
        except (OSError, EOFError) as error:  # TimeoutError too
            self.leave()
            self.record.note(began, "none")
            raise UnknownError(type(error).__name__) from None
        return self._read(began, status, headers, answer)

    @property
    def port(self) -> int:
        """The port of the current server."""
        return self._ports[self._turn % len(self._ports)]

    def close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None

    def leave(self) -> None:
        """Go to the next server."""
        self.close()
        self._turn += 1

    async def _exchange(self, request: bytes) -> tuple[int, str, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
        if "connection: close" in head:
            self.close()
        return int(head.split(" ", 2)[1]), head, body

    def _read(self, began: float, status: int, head: str, body: bytes) -> Any:
        told: dict[str, Any] = {}
        with suppress(ValueError):
            told = json.loads(body)
        codes = {error["extensions"]["code"] for error in told.get("errors", [])}
        if (status, codes) == (503, {"SERVICE_UNAVAILABLE"}) and "\r\nretry-after: " in head:
            self.record.note(began, "unavailable")
            raise UnknownError("503")
        if (status, codes) == (401, {"UNAUTHENTICATED"}):
            self.record.note(began, "unauthenticated")
            raise UnauthenticatedError
        if status != 200 or codes:
            self.record.wrong.append(f"answered by {status}: {body[:300]!r}")
            self.record.note(began, "wrong")
            raise UnknownError(str(status))
        self.record.note(began, "answered")
        (answer,) = told["data"].values()
        return answer


def _request(body: bytes, address: str, token: str | None) -> bytes:
    lines = [
        "POST /graphql HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"X-Forwarded-For: {address}",
        f"Content-Length: {len(body)}",
        *([f"Authorization: Bearer {token}"] if token else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
