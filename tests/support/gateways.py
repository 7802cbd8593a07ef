"""SMS gateways as real peers: a local HTTP server that speaks their wire formats.

Requests and answers follow their public documentation: Twilio, "Message resource: create
a message"; Vonage, "SMS API reference: send an SMS"; SMSC, "HTTP API: server response".
"""

import json
import socket
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import apprise.plugins
import pytest

SID, TOKEN = "AC" + "5d" * 16, "7e" * 16
KEY, SECRET = "a1b2c3d4", "Tr0ub4dor0and000"
LOGIN, PASSWORD = "hub", "c0rrecthorse"

TWILIO = f"twilio://{SID}:{TOKEN}@15005550006/{{phone}}"
VONAGE = f"vonage://{KEY}:{SECRET}@15005550006/{{phone}}"
SMSC = f"smsc://{LOGIN}:{PASSWORD}@{{phone}}?sender=Hub"
SECRETS = (SID, TOKEN, KEY, SECRET, LOGIN + ":", PASSWORD)

_HOSTS = {  # the URLs of apprise's plugins, and what of them is changed to reach us
    "twilio": ("notify_sms_url", "https://api.twilio.com"),
    "vonage": ("notify_url", "https://rest.nexmo.com"),
    "smsc": ("notify_url", "https://smsc.ru"),
}


@dataclass
class Request:
    """A request to a gateway."""

    path: str
    headers: dict[str, str]
    fields: dict[str, Any]


@dataclass
class Peer:
    """A server on which all gateways live; each answers by its path, as it really does or not."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    answers: dict[str, "Answer"] = field(default_factory=dict)  # by the first part of the path
    released: threading.Event = field(default_factory=threading.Event)  # those that hang

    def gateway(self, name: str) -> str:
        """Describe a gateway that apprise does not know, reached by its json://."""
        return (
            f"json://user:pass@127.0.0.1:{self.port}/{name}?:to={{phone}}&:message=text"
            "&:title=&:version=&:type=&:attachments=&+X-Api-Key=k3y0fHub"
        )

    @property
    def asked(self) -> list[str]:
        return [_first(request.path) for request in self.requests]

    @property
    def texts(self) -> list[str]:
        names = ("Body", "text", "mes")
        return [next(r.fields[n] for n in names if n in r.fields) for r in self.requests]


def _first(path: str) -> str:
    return urlsplit(path).path.split("/")[1]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    peer: Peer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers["Content-Type"] == "application/json":
            fields = json.loads(body)
        else:
            fields = {name: value for name, (value,) in parse_qs(body).items()}
        request = Request(self.path, dict(self.headers), fields)
        self.peer.requests.append(request)
        answer = self.peer.answers.get(_first(self.path), _genuine)
        answer(self, request)

    def say(self, status: int, body: Any = "", **headers: str) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Log nothing: the client has disconnected."""


@contextmanager
def serving_gateways() -> Iterator[Peer]:
    peer = Peer()
    handler = type("OfPeer", (Handler,), {"peer": peer})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    peer.port = server.server_port
    try:
        yield peer
    finally:
        peer.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def reached_by_apprise(peer: Peer, patch: pytest.MonkeyPatch) -> None:
    """Redirect apprise to these gateways: only the hosts in the URLs of its plugins change."""
    for schema, (name, host) in _HOSTS.items():
        plugin = apprise.plugins.N_MGR[schema]
        genuine = getattr(plugin, name)
        assert genuine.startswith(host + "/"), genuine
        here = f"http://127.0.0.1:{peer.port}"
        patch.setattr(plugin, name, genuine.replace(host, here))


Answer = Callable[[Handler, Request], None]


def _genuine(handler: Handler, request: Request) -> None:
    """Answer as the gateway of this path does."""
    path = urlsplit(request.path).path
    fields = request.fields
    if path == f"/2010-04-01/Accounts/{SID}/Messages.json":
        _twilio(handler, fields)
    elif path == "/sms/json":
        _vonage(handler, fields)
    elif path == "/sys/send.php":
        _smsc(handler, fields)
    else:
        handler.say(200, {"id": 1})


def _twilio(handler: Handler, fields: dict[str, str]) -> None:
    known = b64encode(f"{SID}:{TOKEN}".encode()).decode()
    if handler.headers["Authorization"] != f"Basic {known}":
        handler.say(401, {"code": 20003, "message": "Authenticate", "status": 401})
    elif not fields["To"].startswith("+"):
        handler.say(400, {"code": 21211, "message": f"Invalid 'To' Phone Number: {fields['To']}"})
    else:
        sent = {"account_sid": SID, "body": fields["Body"], "from": fields["From"]}
        handler.say(201, {**sent, "to": fields["To"], "sid": "SM" + "0" * 32, "status": "queued"})


def _vonage(handler: Handler, fields: dict[str, str]) -> None:
    if (fields["api_key"], fields["api_secret"]) == (KEY, SECRET):
        message = {"to": fields["to"], "message-id": "0A0000000123ABCD1", "status": "0"}
    else:
        message = {"status": "4", "error-text": "Bad Credentials"}
    handler.say(200, {"message-count": "1", "messages": [message]})


def _smsc(handler: Handler, fields: dict[str, str]) -> None:
    if (fields["login"], fields["psw"]) == (LOGIN, PASSWORD):
        handler.say(200, {"id": 15, "cnt": 1})
    else:
        handler.say(200, {"error": "invalid login", "error_code": 2})


def refuse(status: int) -> "Answer":
    def answer(handler: Handler, request: Request) -> None:
        echo = {"code": 21610, "message": f"no: {request.fields}"}
        handler.say(status, echo)

    return answer


def hang(handler: Handler, _: Request) -> None:
    """Do not answer before the end of the test."""
    handler.peer.released.wait(30)


def delay(seconds: float) -> "Answer":
    def answer(handler: Handler, request: Request) -> None:
        handler.peer.released.wait(seconds)
        _genuine(handler, request)

    return answer


def trickle(handler: Handler, _: Request) -> None:
    """Begin to answer, and never come to an end, though no read takes long."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while not handler.peer.released.wait(0.02):
        handler.wfile.write(b".")


def reset(handler: Handler, _: Request) -> None:
    """Break the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.rfile.close()
    handler.wfile.close()
    handler.connection.close()


def garble(handler: Handler, _: Request) -> None:
    """Answer with data that is not HTTP."""
    handler.wfile.write(b"\x00\xff\xfe garbage\r\n\r\n" * 3)


def redirect(handler: Handler, _: Request) -> None:
    """Redirect to another URL."""
    handler.say(307, Location=f"http://127.0.0.1:{handler.peer.port}/elsewhere")
