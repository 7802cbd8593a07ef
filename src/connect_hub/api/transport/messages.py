"""Messages of the WebSocket protocol, and the codes that close a connection."""

from typing import Any, NamedTuple

import orjson
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

SUBPROTOCOL = "graphql-transport-ws"
MAX_ID = 128  # characters of an operation's `id`


class Close(NamedTuple):
    """Code and reason of a close frame."""

    code: int
    reason: str  # at most 123 bytes


INVALID_MESSAGE = Close(4400, f"Send only messages of {SUBPROTOCOL}.")
INVALID_ID = Close(4400, f"Give each subscription an `id` of 1 to {MAX_ID} characters.")
TOKEN_MISSING = Close(4401, 'Sign in, and send {"Authorization": "Bearer …"} with connection_init.')
INIT_MISSING = Close(4401, "Send connection_init first.")
SESSION_ENDED = Close(4401, "The session has ended; sign in again.")
TOKEN_EXPIRED = Close(4403, "The bearer token has expired; refresh it and connect again.")
INIT_TOO_LATE = Close(4408, "Send connection_init within 5 seconds.")
DUPLICATE_ID = Close(4409, "A subscription with this id is active; use another id.")
DUPLICATE_INIT = Close(4429, "Send connection_init only once.")
# Clients connect again after 1013; npm's graphql-ws treats 4429, 4500 and 1011 as fatal.
TOO_MANY_CONNECTIONS = Close(
    1013, "This client has too many connections; use one for all subscriptions."
)
INTERNAL_ERROR = Close(1013, "Something went wrong on our side; connect again.")
SLOW_CONSUMER = Close(1013, "You read too slowly; connect again and query what you missed.")
DATABASE_UNAVAILABLE = Close(1013, "The database does not answer; try again in a moment.")


class ClosedError(Exception):
    """Closes the connection."""

    def __init__(self, close: Close) -> None:
        super().__init__(*close)
        self.close = close


def parse(received: Message) -> tuple[str, dict[str, Any]]:
    """Return the type of a message that was received, and the message.

    Raises:
        ClosedError: the message is invalid.
        WebSocketDisconnect: the client has disconnected.
    """
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received["code"])
    try:
        message = orjson.loads(received.get("text") or b"")
    except ValueError:  # also raised for binary messages and too much nesting
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ClosedError(INVALID_MESSAGE)
    return message["type"], message


async def reject(_message: dict[str, Any]) -> None:
    """Reject a message of an unknown type.

    Raises:
        ClosedError
    """
    raise ClosedError(INVALID_MESSAGE)


def operation_id(message: dict[str, Any]) -> str:
    """Return the id that the client gave its operation.

    Raises:
        ClosedError: the id is missing, or too long.
    """
    value = message.get("id")
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_ID:
        raise ClosedError(INVALID_ID)
    return value


def payload(message: dict[str, Any]) -> dict[str, Any]:
    """Return the payload of a message.

    Raises:
        ClosedError: the payload is not an object.
    """
    value = message.get("payload")
    if not isinstance(value, dict):
        raise ClosedError(INVALID_MESSAGE)
    return value


def authorization(message: dict[str, Any]) -> str:
    """Return the Authorization value in the payload of connection_init; its key has any case.

    Raises:
        ClosedError: there is not exactly one.
    """
    params = message.get("payload")
    items = params.items() if isinstance(params, dict) else ()
    values = [value for name, value in items if name.lower() == "authorization"]
    if len(values) != 1 or not isinstance(values[0], str):
        raise ClosedError(TOKEN_MISSING)
    return values[0]
