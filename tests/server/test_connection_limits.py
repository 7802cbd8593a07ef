"""How many connections one network may open, and how much of unfinished requests is kept."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from connect_hub.server.connection_limits import MAX_PENDING, RESERVED_FILES
from connect_hub.server.headers import MAX_PARSED
from tests.support.processes import Server, eventually, serving

ASK = b'{"query": "{ __typename }"}'
LIMIT = 4


@pytest.fixture(scope="module")
def direct(folder: Path) -> Iterator[Server]:
    with serving(
        folder / "direct", CONNECTIONS_PER_NETWORK=str(LIMIT), KEEP_ALIVE="10 min"
    ) as server:
        yield server


@pytest.fixture(scope="module")
def proxied(folder: Path) -> Iterator[Server]:
    limit, proxies = str(LIMIT), "127.0.0.1"
    with serving(
        folder / "proxied", CONNECTIONS_PER_NETWORK=limit, TRUSTED_PROXIES=proxies
    ) as server:
        yield server


def test_connections_of_one_network_are_limited(direct: Server) -> None:
    with ExitStack() as connections:
        opened = [_opened(direct, connections) for _ in range(LIMIT)]
        for connection in opened:
            assert _answer(connection, _request()).startswith("HTTP/1.1 200 ")
        for _ in range(3):
            refusal = _read(_opened(direct, connections))
            assert refusal.startswith("HTTP/1.1 429 ")
            assert refusal.endswith("Too many connections are open from your network; close some.")
            assert "x-content-type-options: nosniff" in refusal.lower()
        assert _answer(opened[0], _request()).startswith("HTTP/1.1 200 ")
        opened[0].close()
        eventually(lambda: _is_served(direct))
    lines = [json.loads(line) for line in direct.errors.read_text().splitlines()]
    full = [line for line in lines if line["event"] == "too many connections"]
    assert full
    assert full[0]["network"] == "127.0.0.1"


def test_websocket_keeps_the_slot_of_its_connection(direct: Server) -> None:
    eventually(lambda: _is_served(direct))
    with ExitStack() as connections:
        live = [connections.enter_context(_websocket(direct)) for _ in range(LIMIT)]
        assert _read(_opened(direct, connections)).startswith("HTTP/1.1 429 ")
        live[0].close()
        eventually(lambda: _is_served(direct))
    eventually(lambda: _is_served(direct))


def test_connections_of_a_trusted_proxy_are_not_limited(proxied: Server) -> None:
    with ExitStack() as connections:
        for connection in [_opened(proxied, connections) for _ in range(5 * LIMIT)]:
            assert _answer(connection, _request()).startswith("HTTP/1.1 200 ")


def test_websockets_behind_a_proxy_count_by_the_forwarded_address(proxied: Server) -> None:
    with ExitStack() as connections:
        live = [connections.enter_context(_websocket(proxied, "192.0.2.1")) for _ in range(LIMIT)]
        assert _refused(proxied, "192.0.2.1") == 429
        connections.enter_context(_websocket(proxied, "192.0.2.2"))
        live[0].close()
        eventually(lambda: _refused(proxied, "192.0.2.1") is None)


def test_networks_wider_than_a_64_are_limited_too(proxied: Server) -> None:
    with ExitStack() as connections:
        for block in range(16 * LIMIT):  # each in a /56 of its own
            address = f"2001:db8:1:{block << 8:x}::1"
            connections.enter_context(_websocket(proxied, address))
        assert _refused(proxied, "2001:db8:1:ff00::1") == 429
        connections.enter_context(_websocket(proxied, "2001:db8:2::1"))


def test_connections_leave_files_for_the_database(folder: Path) -> None:
    files = 2 * RESERVED_FILES
    with (
        serving(
            folder / "files",
            files=str(files),
            CONNECTIONS_PER_NETWORK="10000",
            TRUSTED_PROXIES="127.0.0.1",
        ) as server,
        ExitStack() as connections,
    ):
        opened = [_opened(server, connections) for _ in range(files - RESERVED_FILES)]
        assert _answer(opened[-1], _request()).startswith("HTTP/1.1 200 ")
        for _ in range(files):
            refusal = _read(_opened(server, connections))
            assert refusal.startswith("HTTP/1.1 503 ")
        body = b'{"query": "mutation { requestCode(phone: \\"+79991230000\\") { __typename } }"}'
        answer = _answer(opened[0], _head(len(body)) + body)
        assert '"CodeSent"' in answer
        # The server may reset the connection before the client has read the 503.
        with pytest.raises((WebSocketException, OSError, EOFError)), _websocket(server):
            pass
        opened[0].close()
        eventually(lambda: _is_served(server))
        line, *_ = server.lines("too many connections")
    assert (line["network"], line["most"]) == ("all", RESERVED_FILES)


def test_unfinished_requests_are_limited_together(folder: Path) -> None:
    piece = b" " * 60_000
    with (
        serving(folder / "pieces", CONNECTIONS_PER_NETWORK="10000") as server,
        ExitStack() as connections,
    ):
        many = [_opened(server, connections) for _ in range(MAX_PENDING // len(piece) + 20)]
        for connection in many:
            connection.sendall(_head(len(piece) + len(ASK)) + piece)
        refused = [_read(connection) for connection in many[-10:]]
        assert {answer.split("\r\n")[0] for answer in refused} == {
            "HTTP/1.1 503 Service Unavailable"
        }
        assert "send yours again" in refused[0]
        # Other clients are served, even if their requests arrive in pieces.
        small = _opened(server, connections)
        small.sendall(_head(len(ASK)) + ASK[:5])
        assert _answer(small, ASK[5:]).startswith("HTTP/1.1 200 ")
        for connection in many:
            connection.close()
        eventually(lambda: _takes_pieces(server, piece))


def test_bytes_of_a_rejected_body_do_not_count(folder: Path) -> None:
    piece = b" " * 60_000
    with serving(folder / "refused") as server, ExitStack() as connections:
        refused = _opened(server, connections)
        refused.sendall(_head(2 * MAX_PENDING))
        assert _answer(refused, piece + piece).startswith("HTTP/1.1 413 ")
        with suppress(OSError):  # the server may close
            for _ in range(MAX_PENDING // len(piece)):
                refused.sendall(piece)
        eventually(lambda: _takes_pieces(server, piece))


def test_long_path_is_rejected(direct: Server) -> None:
    eventually(lambda: _is_served(direct))
    with ExitStack() as connections:
        connection = _opened(direct, connections)
        connection.sendall(b"GET /assets/" + b"a/" * 600 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert _read(connection).startswith("HTTP/1.1 414 ")


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        (400, b"\x16\x03\x01 no HTTP\r\n\r\n"),
        (414, b"GET /" + b"a" * 2_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        (431, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 33_000 + b"\r\n\r\n"),
    ],
)
def test_rejected_request_is_logged_once_with_its_network(
    direct: Server, status: int, request_: bytes
) -> None:
    eventually(lambda: _is_served(direct))
    before = len(direct.logged)
    with ExitStack() as connections:
        connection = _opened(direct, connections)
        connection.sendall(request_)
        assert _read(connection).startswith(f"HTTP/1.1 {status} ")
    lines = [line for line in direct.logged[before:] if line["event"] != "request"]
    assert [(line["event"], line["status"], line["network"]) for line in lines] == [
        ("request rejected", status, "127.0.0.1")
    ]


def test_rejections_of_one_full_network_are_logged_once(proxied: Server) -> None:
    with ExitStack() as connections:
        for block in range(4 * LIMIT):  # in one /56
            connections.enter_context(_websocket(proxied, f"2001:db8:9:{block:x}::1"))
        for block in range(4 * LIMIT, 4 * LIMIT + 5):
            assert _refused(proxied, f"2001:db8:9:{block:x}::1") == 429
    lines = [json.loads(line) for line in proxied.errors.read_text().splitlines()]
    full = [line["network"] for line in lines if line["event"] == "too many connections"]
    assert full.count("2001:db8:9::/56") == 1


@pytest.mark.parametrize(
    "header",
    ["Accept", "Accept-Language", "Accept-Encoding", "Content-Encoding", "X-Forwarded-For"],
)
def test_only_the_beginning_of_a_header_is_parsed(proxied: Server, header: str) -> None:
    value = {"Accept": "*/*", "Content-Encoding": "identity"}.get(header, "")
    long = value + "," * (MAX_PARSED - len(value)) + ",x;q=oops" * 2_000
    with ExitStack() as connections:
        request = _request(f"{header}: {long}\r\n".encode())
        assert _answer(_opened(proxied, connections), request).startswith("HTTP/1.1 200 ")


def _takes_pieces(server: Server, piece: bytes) -> bool:
    with ExitStack() as connections:
        connection = _opened(server, connections)
        connection.sendall(_head(len(piece) + len(ASK)) + piece)
        return _answer(connection, ASK).startswith("HTTP/1.1 200 ")


def _head(length: int, more: bytes = b"") -> bytes:
    return (
        b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n%b\r\n" % (length, more)
    )


def _request(more: bytes = b"") -> bytes:
    return _head(len(ASK), more) + ASK


def _opened(server: Server, connections: ExitStack) -> socket.socket:
    address = "127.0.0.1", server.port
    return connections.enter_context(closing(socket.create_connection(address, timeout=10)))


def _answer(connection: socket.socket, request: bytes) -> str:
    connection.sendall(request)
    answer = ""
    while not answer.endswith("}") and (part := connection.recv(65_536)):
        answer += part.decode()
    return answer


def _read(connection: socket.socket) -> str:
    """Read until the server closes."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts).decode()


def _is_served(server: Server) -> bool:
    with ExitStack() as connections:
        try:
            return _answer(_opened(server, connections), _request()).startswith("HTTP/1.1 200 ")
        except ConnectionError:
            return False


def _websocket(server: Server, address: str | None = None) -> ClientConnection:
    return connect(
        f"ws://localhost:{server.port}/graphql",
        subprotocols=[Subprotocol("graphql-transport-ws")],
        additional_headers={"X-Forwarded-For": address} if address else {},
        proxy=None,
    )


def _refused(server: Server, address: str) -> int | None:
    """Return the status of a rejection; None if the connection is accepted."""
    try:
        with _websocket(server, address):
            return None
    except InvalidStatus as refusal:
        return refusal.response.status_code
