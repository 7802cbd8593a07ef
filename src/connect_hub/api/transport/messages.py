"""GraphQL over WebSocket: what its messages are, and how it ends where they are not."""

from typing import Any, NamedTuple

import orjson
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

SUBPROTOCOL = "graphql-transport-ws"
MAX_NAME = 128  # characters of an operation's `id`


class Close(NamedTuple):
    """How a connection ends."""

    code: int
    reason: str  # of at most 123 bytes


NO_MESSAGE = Close(4400, f"This is no message of {SUBPROTOCOL}.")
NO_NAME = Close(4400, f"A subscription takes an `id` of 1 to {MAX_NAME} characters.")
NO_TOKEN = Close(4401, 'Sign in, and send {"Authorization": "Bearer …"} with connection_init.')
NOT_YET = Close(4401, "Send connection_init first.")
SESSION_ENDED = Close(4401, "The session has ended; sign in again.")
EXPIRED = Close(4403, "The bearer token has expired; refresh it and connect again.")
NO_INIT = Close(4408, "Send connection_init within 5 seconds.")
DUPLICATE_ID = Close(4409, "There is a subscription of this id; take another id.")
INIT_TWICE = Close(4429, "connection_init was sent before.")
# After 1013 clients connect again; npm's graphql-ws takes 4429, 4500 and 1011 as final.
CROWDED = Close(1013, "This client has too many connections; use one for all subscriptions.")
BROKEN = Close(1013, "Something went wrong on our side; connect again.")
TOO_SLOW = Close(1013, "You read too slowly; connect again and query what you missed.")
NO_DATABASE = Close(1013, "The database does not answer; try again in a moment.")


class ClosedError(Exception):
    """The connection ends."""

    def __init__(self, close: Close) -> None:
        super().__init__(*close)
        self.close = close


def read(received: Message) -> tuple[str, dict[str, Any]]:
    """Read what came by WebSocket: the type of a message, and the message.

    Raises:
        ClosedError: it is none.
        WebSocketDisconnect: the client has left.
    """
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received["code"])
    try:
        message = orjson.loads(received.get("text") or b"")
    except ValueError:  # also where it is binary, or nested too deeply
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ClosedError(NO_MESSAGE)
    return message["type"], message


async def unknown(_message: dict[str, Any]) -> None:
    """Take no message of another type.

    Raises:
        ClosedError
    """
    raise ClosedError(NO_MESSAGE)


def name(message: dict[str, Any]) -> str:
    """Read by what name a client has its operation.

    Raises:
        ClosedError: by none.
    """
    given = message.get("id")
    if not isinstance(given, str) or not 1 <= len(given) <= MAX_NAME:
        raise ClosedError(NO_NAME)
    return given


def payload(message: dict[str, Any]) -> dict[str, Any]:
    """Read what else a message has.

    Raises:
        ClosedError: it is no object.
    """
    given = message.get("payload")
    if not isinstance(given, dict):
        raise ClosedError(NO_MESSAGE)
    return given


def authorization(message: dict[str, Any]) -> str:
    """Read what the header of a request says, whose name is written in any case.

    Raises:
        ClosedError: nothing.
    """
    given = message.get("payload")
    said = given if isinstance(given, dict) else {}
    found = [value for name, value in said.items() if name.lower() == "authorization"]
    if len(found) != 1 or not isinstance(found[0], str):
        raise ClosedError(NO_TOKEN)
    return found[0]
