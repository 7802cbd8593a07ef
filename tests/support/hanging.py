"""A server that answers GraphQL with the beginning of a body and then hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

_BEGUN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/graphql-response+json\r\n"
    b"Content-Length: 1000\r\n\r\n" + b'{"data":'
)


@asynccontextmanager
async def hanging(upstream: str) -> AsyncIterator[int]:
    """Serve the pages of a server, but hang in each body of GraphQL; give the port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, path, _ = (await reader.readuntil(b"\r\n")).decode().split()
        if path.startswith("/graphql"):
            writer.write(_BEGUN if method == "POST" else b"HTTP/1.1 503 Hangs\r\n\r\n")
            await writer.drain()
            await reader.read()  # until the browser gives up
        else:
            answer = await http.get(path)
            kept = ("content-type", "content-security-policy")
            head = "".join(f"{name}: {answer.headers.get(name, '')}\r\n" for name in kept)
            writer.write(
                f"HTTP/1.1 {answer.status_code} OK\r\n{head}Connection: close\r\n".encode()
            )
            writer.write(f"Content-Length: {len(answer.content)}\r\n\r\n".encode() + answer.content)
            await writer.drain()
        writer.close()

    async with httpx.AsyncClient(base_url=upstream) as http:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]
            server.close()
