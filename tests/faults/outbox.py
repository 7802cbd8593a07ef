"""Compares the events with the changes that they tell of, and with what the receiver got."""

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support import receivers
from tests.support.receivers import Received

_BAD = (
    receivers.status(500),
    receivers.respond(b"garbage\r\n\r\n"),
    receivers.die,
    receivers.stall,
)
_SHARE_OF_BAD = 0.1  # of the answers

Rows = dict[str, dict[str, Any]]


@asynccontextmanager
async def receiving(keep: Callable[[str], object]) -> AsyncIterator[str]:
    """Run a receiver that often fails, and give its URL.

    Args:
        keep: called with the id of each event that was accepted.
    """
    chance = random.Random(7)  # noqa: S311 (no secret)

    async def answer(request: Received) -> bytes:
        if chance.random() < _SHARE_OF_BAD:
            return await chance.choice(_BAD)(request)
        keep(request.id)
        return await receivers.status(204)(request)

    async with receivers.receiving() as receiver:
        receiver.answer = answer
        receiver.keeps = False
        yield receiver.url


def check(  # noqa: PLR0913 (the tables and what was received)
    events: Rows,
    *,
    clients: Rows,
    campaigns: Rows,
    sessions: Rows,
    undelivered: set[str],
    received: set[str],
) -> Iterator[str]:
    """Return what is wrong.

    Args:
        events: by id.
        clients: by id.
        campaigns: by code.
        sessions: by id; a session that ended has no row.
        undelivered: ids of the events that are still to be sent.
        received: ids of the events that the receiver accepted.
    """
    yield from _changes(events, clients, sessions)
    yield from _invitations(events, clients, campaigns)
    for id_ in events.keys() - undelivered - received:
        yield f"event {id_} ({events[id_]['type']}) is lost"
    for id_ in received - events.keys():
        yield f"event {id_} was sent, and its change does not exist"


def _changes(events: Rows, clients: Rows, sessions: Rows) -> Iterator[str]:
    told = Counter(_subject(event) for event in events.values())
    for id_, client in clients.items():
        happened = {
            "client.registered": True,
            "client.invited": client["applied_invitation_code"] is not None,
            "client.deleted": client["deleted_at"] is not None,
        }
        for kind, has_happened in happened.items():
            if told[kind, id_] != has_happened:
                yield f"{id_} has {told[kind, id_]} events {kind}"
    for id_ in sessions:
        if told["session.started", id_] != 1:
            yield f"session {id_} has {told['session.started', id_]} events of its start"
    for kind, id_ in list(told):
        if kind.startswith("client.") and id_ not in clients:
            yield f"{id_} has an event {kind}, and is not there"
        if kind == "session.started" and told["session.ended", id_] != (id_ not in sessions):
            yield f"session {id_} has {told['session.ended', id_]} events of its end"


def _invitations(events: Rows, clients: Rows, campaigns: Rows) -> Iterator[str]:
    for event in events.values():
        client = clients.get(str(event["client_id"]))
        if event["type"] != "client.invited" or client is None:
            continue
        inviter, applied = client["inviter_id"], client["applied_invitation_code"]
        campaign = None if inviter else campaigns.get(applied, {"id": applied})["id"]
        expected = {
            "inviter": inviter and str(inviter),
            "campaign": campaign and str(campaign),
        }
        if json.loads(event["data"]) != expected:
            yield f"the event of {client['id']} tells of another invitation: {event['data']}"


def _subject(event: dict[str, Any]) -> tuple[str, str]:
    """Return the type of an event, and the id of what it is about."""
    return event["type"], json.loads(event["data"]).get("session") or str(event["client_id"])
