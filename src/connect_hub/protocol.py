"""HTTP as uvicorn reads it, with an end to the headers of a request, and one host."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from connect_hub.headers import SECURITY

MAX_HEAD = 32 * 1024  # bytes before the body


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request whose headers take longer to send or to read than anybody needs.

    Also one with two hosts (RFC 9112, 3.2): what is in front of us may have looked at the other.
    """

    _head = 0  # bytes received of a head that has not ended
    _in_head = False

    def on_message_begin(self) -> None:
        """Begin to count."""
        super().on_message_begin()
        self._head, self._in_head = 0, True

    def on_headers_complete(self) -> None:
        """Pass on what is not too long; what is raised here is answered by 400."""
        if sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            raise ValueError
        if [name for name, _ in self.headers].count(b"host") > 1:
            raise ValueError
        self._in_head = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse, with the headers that every answer has."""
        headers = {**SECURITY, "Connection": "close", "Content-Length": str(len(msg))}
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
        self.transport.write(f"{head}{''.join(lines)}\r\n{msg}".encode("ascii"))
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head without an end."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MAX_HEAD:
                self.send_400_response(f"The headers are over {MAX_HEAD} bytes long.")
