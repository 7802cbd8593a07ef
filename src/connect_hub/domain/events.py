"""The outbox: each change writes its event in the same statement.

So an event exists if and only if its change is committed. The statement also writes a delivery for
each endpoint that gets events of this type; `webhooks/worker.py` sends them. The events are the
audit trail too, and so they have the origin of the change.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from connect_hub.database.connections import Row, fetch
from connect_hub.observability import tracing
from connect_hub.settings import EVENT_TYPES
from connect_hub.webhooks.endpoints import IS_CONFIGURED

_MAX_DEVICE_LENGTH = 120  # characters
_ORIGIN_VALUES = 5  # of `origin_values`


class Actor(StrEnum):
    """Who made a change."""

    CLIENT = "client"  # the client itself, by a request
    OPERATOR = "operator"  # by a command
    SYSTEM = "system"  # the server, by a rule


class EndReason(StrEnum):
    """Why a session ended."""

    SIGNED_OUT = "signed_out"
    ENDED_ELSEWHERE = "ended_elsewhere"  # by another session of the client
    ENDED_BY_OPERATOR = "ended_by_operator"
    REPLAYED = "replayed"  # two holders used one refresh token
    DISPLACED = "displaced"  # one session too many, or its client signed in again with its token
    PHONE_CHANGED = "phone_changed"
    BLOCKED = "blocked"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from."""

    actor: Actor
    request_id: str | None = None
    address: str | None = None  # the network of the request
    device: str | None = None  # the User-Agent header


# A function, because most requests write no event. The server's own tasks leave the default.
origin: ContextVar[Callable[[], Origin]] = ContextVar(
    "origin", default=lambda: Origin(Actor.SYSTEM)
)


def printable_device(device: str) -> str | None:
    """Return a User-Agent header as it is stored."""
    printable = "".join(character if character.isprintable() else " " for character in device)
    return " ".join(printable.split())[:_MAX_DEVICE_LENGTH].rstrip() or None


def write(event_type: str, *, source: str, origin: int, client: str = "id", data: str = "") -> str:
    """Return the CTEs that write an event for each row of another CTE.

    Args:
        event_type: one of EVENT_TYPES.
        source: name of the CTE.
        origin: number of the first parameter that `origin_values` fills.
        client: column of the source that has the client's id.
        data: SQL of names and values beyond the client, made of columns of the source.
    """
    if event_type not in EVENT_TYPES:
        raise ValueError(event_type)
    name = event_type.replace(".", "_")
    values = ", ".join(f"${origin + place}::text" for place in range(_ORIGIN_VALUES))
    return f"""
    {name}_event AS (
        INSERT INTO event (id, type, client_id, data, created_at,
                           actor, request_id, address, device, trace)
        SELECT gen_random_uuid(), '{event_type}', {client}, jsonb_build_object({data}), now(),
               {values}
        FROM {source} RETURNING id
    ), {name}_delivery AS (
        INSERT INTO webhook_delivery (id, event_id, endpoint, created_at, attempts, due_at)
        SELECT gen_random_uuid(), {name}_event.id, endpoint.id, now(), 0, now()
        FROM {name}_event, webhook_endpoint AS endpoint
        WHERE '{event_type}' = ANY (endpoint.types) AND {IS_CONFIGURED}
    )"""


def write_session_ended(*, source: str, reason: str, origin: int) -> str:
    """Return the CTEs that write `session.ended` for each row of another CTE.

    Args:
        source: name of the CTE, which has the columns `id` and `client_id`.
        reason: SQL of an EndReason.
        origin: as in `write`.
    """
    data = f"'session', id, 'reason', {reason}::text"
    return write("session.ended", source=source, client="client_id", data=data, origin=origin)


def origin_values(actor: Actor | None = None) -> tuple[str | None, ...]:
    """Return the origin of this task's changes, as the statements of `write` take it.

    Args:
        actor: overrides the origin's.
    """
    now = origin.get()()
    return actor or now.actor, now.request_id, now.address, now.device, tracing.traceparent()


_ERASE = "UPDATE event SET address = NULL, device = NULL WHERE client_id = $1"


async def erase_origins(client_id: UUID) -> None:
    """Remove addresses and user agents from the events of a client."""
    await fetch(_ERASE, client_id)


_OF_CLIENT = """
    SELECT id, type, client_id, data::text, created_at, actor, request_id, address, device
    FROM event WHERE client_id = $1::uuid
    UNION ALL
    SELECT id, type, client_id, data::text, created_at, actor, request_id, NULL, NULL
    FROM event WHERE type = 'client.invited' AND data ->> 'inviter' = $1::uuid::text
    ORDER BY created_at, id
"""


async def of_client(client_id: UUID) -> list[Row]:
    """List the events of a client, and the invitations of others by its code, oldest first."""
    return await fetch(_OF_CLIENT, client_id)
