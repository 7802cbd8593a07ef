"""GraphQL over WebSocket: what its messages are, and how it ends where they are not."""

from typing import Any, NamedTuple

import orjson
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

SUBPROTOCOL = "graphql-transport-ws"
MAX_ID = 128  # characters of an operation's `id`


class Close(NamedTuple):
    """How a connection ends."""

    code: int
    reason: str  # of at most 123 bytes


INVALID_MESSAGE = Close(4400, f"This is no message of {SUBPROTOCOL}.")
INVALID_ID = Close(4400, f"A subscription takes an `id` of 1 to {MAX_ID} characters.")
TOKEN_MISSING = Close(4401, 'Sign in, and send {"Authorization": "Bearer …"} with connection_init.')
INIT_MISSING = Close(4401, "Send connection_init first.")
SESSION_ENDED = Close(4401, "The session has ended; sign in again.")
TOKEN_EXPIRED = Close(4403, "The bearer token has expired; refresh it and connect again.")
INIT_TOO_LATE = Close(4408, "Send connection_init within 5 seconds.")
DUPLICATE_ID = Close(4409, "There is a subscription of this id; take another id.")
DUPLICATE_INIT = Close(4429, "connection_init was sent before.")
# After 1013 clients connect again; npm's graphql-ws takes 4429, 4500 and 1011 as final.
TOO_MANY_CONNECTIONS = Close(
    1013, "This client has too many connections; use one for all subscriptions."
)
INTERNAL_ERROR = Close(1013, "Something went wrong on our side; connect again.")
SLOW_CONSUMER = Close(1013, "You read too slowly; connect again and query what you missed.")
DATABASE_UNAVAILABLE = Close(1013, "The database does not answer; try again in a moment.")


class ClosedError(Exception):
    """The connection ends."""

    def __init__(self, close: Close) -> None:
        super().__init__(*close)
        self.close = close


def parse(received: Message) -> tuple[str, dict[str, Any]]:
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
        raise ClosedError(INVALID_MESSAGE)
    return message["type"], message


async def reject(_message: dict[str, Any]) -> None:
    """Take no message of another type.

    Raises:
        ClosedError
    """
    raise ClosedError(INVALID_MESSAGE)


def operation_id(message: dict[str, Any]) -> str:
    """Read by what name a client has its operation.

    Raises:
        ClosedError: by none.
    """
    given = message.get("id")
    if not isinstance(given, str) or not 1 <= len(given) <= MAX_ID:
        raise ClosedError(INVALID_ID)
    return given


def payload(message: dict[str, Any]) -> dict[str, Any]:
    """Read what else a message has.

    Raises:
        ClosedError: it is no object.
    """
    given = message.get("payload")
    if not isinstance(given, dict):
        raise ClosedError(INVALID_MESSAGE)
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
        raise ClosedError(TOKEN_MISSING)
    return found[0]
